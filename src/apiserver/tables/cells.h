/* The cell functions that the tables in columns.c name. Each computes one value of one row. */
#ifndef MANTA_APISERVER_TABLES_CELLS_H
#define MANTA_APISERVER_TABLES_CELLS_H

#include "apiserver/tables/columns.h"

#define CELL(name) yyjson_mut_val *name(const struct cell *cell, const struct column *column)

/* Of any kind: by column->path, with column->absent when nothing is there. */
CELL(cell_text);
CELL(cell_int);
CELL(cell_bool);
CELL(cell_bool_word); /* "True", "False" */
CELL(cell_len);       /* of the array or object at path */
CELL(cell_age);       /* since the time at path */
CELL(cell_time);      /* the time itself */
CELL(cell_join);      /* an array of strings, joined by commas */
CELL(cell_labels);    /* a map as k=v,k=v */
CELL(cell_selector);  /* a label selector */
CELL(cell_containers);
CELL(cell_images);
CELL(cell_ratio); /* "path/other": two numbers; column->arg is the other's path */

/* Of pods (cells_pod.c) */
CELL(cell_pod_ready);
CELL(cell_pod_status);
CELL(cell_pod_restarts);
CELL(cell_pod_gates);

/* Of other kinds (cells_kind.c) */
CELL(cell_data_count);
CELL(cell_service_external);
CELL(cell_service_ports);
CELL(cell_job_status);
CELL(cell_job_completions);
CELL(cell_job_duration);
CELL(cell_node_status);
CELL(cell_node_roles);
CELL(cell_node_address);
CELL(cell_event_last);
CELL(cell_event_first);
CELL(cell_event_object);
CELL(cell_event_source);
CELL(cell_event_count);
CELL(cell_event_field);
CELL(cell_endpoints);
CELL(cell_slice_ports);
CELL(cell_slice_endpoints);
CELL(cell_access_modes);
CELL(cell_claim_phase);
CELL(cell_claim_capacity);
CELL(cell_volume_claim);
CELL(cell_ingress_hosts);
CELL(cell_ingress_ports);
CELL(cell_load_balancer);
CELL(cell_quota);
CELL(cell_role_ref);
CELL(cell_subjects);
CELL(cell_storage_class_name);
CELL(cell_api_service);
CELL(cell_api_available);
CELL(cell_owner);
CELL(cell_csr_condition);
CELL(cell_hpa_targets);
CELL(cell_object_ref);

/* A string in the cell's document. */
yyjson_mut_val *cell_str(const struct cell *cell, const char *s);

#endif

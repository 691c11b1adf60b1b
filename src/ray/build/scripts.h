/* Scripts that run in pods, byte for byte upstream's: a change would restart nothing but be seen
 * (spec: raycluster §§8.8, 10.5, 12.3). */
#ifndef MANTA_RAY_BUILD_SCRIPTS_H
#define MANTA_RAY_BUILD_SCRIPTS_H

/* The address of the GCS, twice. */
#define SCRIPT_WAIT_GCS                                                                            \
    "\n"                                                                                           \
    "\t\t\t\t\tSECONDS=0\n"                                                                        \
    "\t\t\t\t\twhile true; do\n"                                                                   \
    "\t\t\t\t\t\tif (( SECONDS <= 120 )); then\n"                                                  \
    "\t\t\t\t\t\t\tif ray health-check --address %s > /dev/null 2>&1; then\n"                      \
    "\t\t\t\t\t\t\t\techo \"GCS is ready.\"\n"                                                     \
    "\t\t\t\t\t\t\t\tbreak\n"                                                                      \
    "\t\t\t\t\t\t\tfi\n"                                                                           \
    "\t\t\t\t\t\t\techo \"$SECONDS seconds elapsed: Waiting for GCS to be ready.\"\n"              \
    "\t\t\t\t\t\telse\n"                                                                           \
    "\t\t\t\t\t\t\tif ray health-check --address %s; then\n"                                       \
    "\t\t\t\t\t\t\t\techo \"GCS is ready. Any error messages above can be safely ignored.\""       \
    "\n"                                                                                           \
    "\t\t\t\t\t\t\t\tbreak\n"                                                                      \
    "\t\t\t\t\t\t\tfi\n"                                                                           \
    "\t\t\t\t\t\t\techo \"$SECONDS seconds elapsed: Still waiting for GCS to be ready. For "       \
    "troubleshooting, refer to the FAQ at https://docs.ray.io/en/master/cluster/kubernetes/"       \
    "troubleshooting.html.\"\n"                                                                    \
    "\t\t\t\t\t\tfi\n"                                                                             \
    "\t\t\t\t\t\tsleep 5\n"                                                                        \
    "\t\t\t\t\tdone\n"                                                                             \
    "\t\t\t\t"

#define SCRIPT_WAIT_SAN                                                                            \
    "CERT=\"/etc/ray/tls/tls.crt\"\n"                                                              \
    "if [ -z \"${POD_IP}\" ]; then\n"                                                              \
    "  POD_IP=$(hostname -i 2>/dev/null | awk '{print $1}')\n"                                     \
    "fi\n"                                                                                         \
    "if ! command -v openssl >/dev/null 2>&1; then\n"                                              \
    "  echo \"openssl not found; cannot verify IP SAN\" >&2\n"                                     \
    "  exit 1\n"                                                                                   \
    "fi\n"                                                                                         \
    "echo \"Waiting for TLS cert to include IP SAN for ${POD_IP}...\"\n"                           \
    "while true; do\n"                                                                             \
    "  if openssl x509 -in \"${CERT}\" -noout -text 2>/dev/null | grep -qE \"IP Address:${P"       \
    "OD_IP}([^0-9.]|$)\"; then\n"                                                                  \
    "    echo \"TLS cert now includes IP SAN for ${POD_IP}\"\n"                                    \
    "    exit 0\n"                                                                                 \
    "  fi\n"                                                                                       \
    "  echo \"IP SAN for ${POD_IP} not yet in cert, retrying in 5s...\"\n"                         \
    "  sleep 5\n"                                                                                  \
    "done"

/* What SCRIPT_REDIS_USER is, or nothing. */
#define SCRIPT_REDIS_CLEANUP                                                                       \
    "echo \"To get more information about manually deleting the storage namespace in Redis "       \
    "and removing the RayCluster's finalizer, please check https://docs.ray.io/en/master/cl"       \
    "uster/kubernetes/user-guides/kuberay-gcs-ft.html for more details.\" && python -c \"fr"       \
    "om ray._private.gcs_utils import cleanup_redis_storage; from urllib.parse import urlpa"       \
    "rse; import os; import sys; redis_address = os.getenv('RAY_REDIS_ADDRESS', '').split('"       \
    ",')[0]; redis_address = redis_address if '://' in redis_address else 'redis://' + redi"       \
    "s_address; parsed = urlparse(redis_address); sys.exit(1) if not cleanup_redis_storage("       \
    "host=parsed.hostname, port=parsed.port,%s password=os.getenv('REDIS_PASSWORD', parsed."       \
    "password or ''), use_ssl=parsed.scheme=='rediss', storage_namespace=os.getenv('RAY_ext"       \
    "ernal_storage_namespace')) else None\""
#define SCRIPT_REDIS_USER " username=os.getenv('REDIS_USERNAME', parsed.username),"

#endif

/* The tree of a CEL expression; shared by cel_parse.c and cel_eval.c. */
#ifndef MANTA_DATA_CEL_NODE_H
#define MANTA_DATA_CEL_NODE_H

#include "data/cel.h"
#include "base/arena.h"

enum cel_kind {
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_DOUBLE,
    CEL_STRING,
    CEL_LIST,   /* args are its items */
    CEL_VAR,    /* text */
    CEL_SELECT, /* args[0].text */
    CEL_HAS,    /* has(args[0].text) */
    CEL_INDEX,  /* args[0][args[1]] */
    CEL_NOT,
    CEL_NEGATE,
    CEL_AND,
    CEL_OR,
    CEL_COND, /* args[0] ? args[1] : args[2] */
    CEL_EQ,
    CEL_NE,
    CEL_LT,
    CEL_LE,
    CEL_GT,
    CEL_GE,
    CEL_IN,
    CEL_ADD,
    CEL_SUB,
    CEL_MUL,
    CEL_DIV,
    CEL_MOD,
    CEL_CALL,  /* function of the args; a method's receiver is args[0] */
    CEL_MACRO, /* macro over args[0], text is the variable, args[1] and maybe args[2] the bodies */
};

enum cel_macro { MACRO_ALL, MACRO_EXISTS, MACRO_EXISTS_ONE, MACRO_FILTER, MACRO_MAP };

enum cel_function {
    FN_SIZE,
    FN_STARTS_WITH,
    FN_ENDS_WITH,
    FN_CONTAINS,
    FN_MATCHES,
    FN_INT,
    FN_DOUBLE,
    FN_STRING,
    FN_DYN,
    FN_LOWER,
    FN_UPPER,
    FN_TRIM,
};

struct regex;

struct cel_node {
    enum cel_kind kind;
    union {
        bool b;
        int64_t i;
        double d;
        enum cel_macro macro;
        enum cel_function function;
    };
    struct slice text;
    struct cel_node **args;
    size_t n;
    struct regex *regex; /* of matches() with a literal pattern */
};

struct cel {
    struct arena arena;
    struct cel_node *root;
    struct cel_node *regexes[16]; /* nodes whose regex is to be freed */
    size_t n_regexes;
};

#endif

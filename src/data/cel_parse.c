#include "data/cel_node.h"
#include "data/regex.h"
#include "base/mem.h"
#include "base/vec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define MAX_DEPTH 64
#define MAX_ARGS 500

struct parser {
    struct cel *cel;
    struct slice text;
    size_t at;
    int depth;
    struct scope *scope;
    struct err *err;
};

/* Variables that macros bind, innermost first. */
struct scope {
    struct slice name;
    struct scope *outer;
};

struct args {
    struct cel_node **v;
    size_t n, cap;
};

static struct cel_node *parse_expr(struct parser *p);

static struct cel_node *fail(struct parser *p, size_t at, const char *fmt, ...) printf_like(3, 4);
static struct cel_node *fail(struct parser *p, size_t at, const char *fmt, ...)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    err_set(p->err, ERR_INVALID, "column %zu: %s", at + 1, buf_str(&b));
    return NULL;
}

/* ---- characters ---- */

static char peek_raw(const struct parser *p, size_t ahead)
{
    return p->at + ahead < p->text.n ? p->text.p[p->at + ahead] : '\0';
}

static void skip_space(struct parser *p)
{
    while (p->at < p->text.n) {
        if (isspace((unsigned char)p->text.p[p->at]))
            p->at++;
        else if (peek_raw(p, 0) == '/' && peek_raw(p, 1) == '/')
            while (p->at < p->text.n && p->text.p[p->at] != '\n')
                p->at++;
        else
            break;
    }
}

static char peek(struct parser *p)
{
    skip_space(p);
    return peek_raw(p, 0);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Takes an operator or a keyword if it is next; "<" does not take the start of "<=". */
static bool accept(struct parser *p, const char *token)
{
    size_t n = strlen(token);

    skip_space(p);
    if (p->text.n - p->at < n || memcmp(p->text.p + p->at, token, n) != 0)
        return false;
    if (is_word(*token) && is_word(peek_raw(p, n)))
        return false;
    if ((*token == '<' || *token == '>' || *token == '!') && n == 1 && peek_raw(p, 1) == '=')
        return false;
    p->at += n;
    return true;
}

static bool expect(struct parser *p, const char *token)
{
    if (accept(p, token))
        return true;
    if (p->at >= p->text.n)
        fail(p, p->at, "Syntax error: unexpected end of expression, expecting '%s'", token);
    else
        fail(p, p->at, "Syntax error: unexpected '%c', expecting '%s'", peek_raw(p, 0), token);
    return false;
}

static bool parse_ident(struct parser *p, struct slice *ret)
{
    skip_space(p);
    size_t start = p->at;

    if (!is_word(peek_raw(p, 0)) || isdigit((unsigned char)peek_raw(p, 0)))
        return false;
    while (is_word(peek_raw(p, 0)))
        p->at++;
    *ret = (struct slice){p->text.p + start, p->at - start};
    return true;
}

/* ---- nodes ---- */

static struct cel_node *node(struct parser *p, enum cel_kind kind)
{
    struct cel_node *n = arena_new(&p->cel->arena, struct cel_node);

    n->kind = kind;
    return n;
}

static struct cel_node *with_args(struct parser *p, struct cel_node *n,
                                  struct cel_node *const *args, size_t n_args)
{
    n->args = arena_array(&p->cel->arena, struct cel_node *, n_args ? n_args : 1);
    if (n_args)
        memcpy(n->args, args, n_args * sizeof(*args));
    n->n = n_args;
    return n;
}

static struct cel_node *unary(struct parser *p, enum cel_kind kind, struct cel_node *a)
{
    return a ? with_args(p, node(p, kind), &a, 1) : NULL;
}

static struct cel_node *binary(struct parser *p, enum cel_kind kind, struct cel_node *a,
                               struct cel_node *b)
{
    return a && b ? with_args(p, node(p, kind), (struct cel_node *[]){a, b}, 2) : NULL;
}

/* ---- literals ---- */

static struct cel_node *parse_number(struct parser *p)
{
    size_t start = p->at;
    bool hex = peek_raw(p, 0) == '0' && (peek_raw(p, 1) | 32) == 'x', real = false;
    char text[64], *end;

    p->at += hex ? 2 : 0;
    for (char c; (c = peek_raw(p, 0)); p->at++) {
        bool sign = (c == '+' || c == '-') && (p->text.p[p->at - 1] | 32) == 'e' && real;
        if (!hex && (c == '.' || (c | 32) == 'e'))
            real = true;
        else if (!isxdigit((unsigned char)c) && !sign)
            break;
    }
    size_t n = p->at - start;
    if (n >= sizeof(text))
        return fail(p, start, "Syntax error: number too long");
    memcpy(text, p->text.p + start, n);
    text[n] = '\0';
    if (!real && (peek_raw(p, 0) | 32) == 'u')
        p->at++;
    struct cel_node *lit = node(p, real ? CEL_DOUBLE : CEL_INT);
    errno = 0;
    if (real)
        lit->d = strtod(text, &end);
    else
        lit->i = strtoll(text, &end, hex ? 16 : 10);
    if (*end || errno || is_word(peek_raw(p, 0)))
        return fail(p, start, "Syntax error: invalid number '%s'", text);
    return lit;
}

static bool add_code_point(struct buf *b, uint32_t c)
{
    if (c >= 0x110000 || (c >= 0xd800 && c < 0xe000))
        return false;
    if (c < 0x80) {
        buf_addc(b, (char)c);
    } else if (c < 0x800) {
        buf_addc(b, (char)(0xc0 | c >> 6));
        buf_addc(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_addc(b, (char)(0xe0 | c >> 12));
        buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_addc(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_addc(b, (char)(0xf0 | c >> 18));
        buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_addc(b, (char)(0x80 | (c & 0x3f)));
    }
    return true;
}

static bool parse_coded(struct parser *p, int digits, int base, struct buf *b)
{
    uint32_t c = 0;

    for (int i = 0; i < digits; i++, p->at++) {
        char d = peek_raw(p, 0);
        int v = isdigit((unsigned char)d)    ? d - '0'
                : isxdigit((unsigned char)d) ? (d | 32) - 'a' + 10
                                             : 99;
        if (v >= base)
            return false;
        c = c * (uint32_t)base + (uint32_t)v;
    }
    return add_code_point(b, c);
}

/* Behind a backslash. */
static bool parse_escape(struct parser *p, struct buf *b)
{
    static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
    char c = peek_raw(p, 0);
    const char *known = c ? strchr(from, c) : NULL;

    if (c >= '0' && c <= '3')
        return parse_coded(p, 3, 8, b);
    p->at++;
    if (known)
        buf_addc(b, to[known - from]);
    else if (c == 'x' || c == 'X')
        return parse_coded(p, 2, 16, b);
    else if (c == 'u')
        return parse_coded(p, 4, 16, b);
    else if (c == 'U')
        return parse_coded(p, 8, 16, b);
    else
        return false;
    return true;
}

static struct cel_node *parse_string(struct parser *p, bool raw)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    size_t start = p->at;
    char quote = peek_raw(p, 0);
    size_t width = peek_raw(p, 1) == quote && peek_raw(p, 2) == quote ? 3 : 1;

    p->at += width;
    for (;;) {
        char c = peek_raw(p, 0);
        if (p->at >= p->text.n || (c == '\n' && width == 1))
            return fail(p, start, "Syntax error: string is not closed");
        if (c == quote && (width == 1 || (peek_raw(p, 1) == quote && peek_raw(p, 2) == quote)))
            break;
        p->at++;
        if (c != '\\' || raw)
            buf_addc(&b, c);
        else if (!parse_escape(p, &b))
            return fail(p, p->at, "Syntax error: invalid escape in a string");
    }
    p->at += width;
    struct cel_node *lit = node(p, CEL_STRING);
    lit->text = (struct slice){arena_strndup(&p->cel->arena, buf_str(&b), b.len), b.len};
    return lit;
}

static bool parse_list(struct parser *p, const char *close, struct args *ret)
{
    while (!accept(p, close)) {
        if (ret->n && !expect(p, ","))
            return false;
        if (ret->n && accept(p, close)) /* a comma may stand behind the last item */
            return true;
        struct cel_node *item = ret->n < MAX_ARGS ? parse_expr(p) : fail(p, p->at, "list too long");
        if (!item)
            return false;
        vec_push(ret, item);
    }
    return true;
}

static struct cel_node *parse_list_literal(struct parser *p)
{
    struct args items = {0};
    struct cel_node *n =
        parse_list(p, "]", &items) ? with_args(p, node(p, CEL_LIST), items.v, items.n) : NULL;

    vec_done(&items);
    return n;
}

/* ---- calls ---- */

static const struct {
    const char *name;
    enum cel_function function;
    bool global, method;
    size_t n_args; /* with a receiver */
} functions[] = {
    {"size", FN_SIZE, true, true, 1},
    {"startsWith", FN_STARTS_WITH, false, true, 2},
    {"endsWith", FN_ENDS_WITH, false, true, 2},
    {"contains", FN_CONTAINS, false, true, 2},
    {"matches", FN_MATCHES, true, true, 2},
    {"int", FN_INT, true, false, 1},
    {"double", FN_DOUBLE, true, false, 1},
    {"string", FN_STRING, true, false, 1},
    {"dyn", FN_DYN, true, false, 1},
    {"lowerAscii", FN_LOWER, false, true, 1},
    {"upperAscii", FN_UPPER, false, true, 1},
    {"trim", FN_TRIM, false, true, 1},
};

/* Compiles a literal pattern once; other patterns are compiled when they are used. */
static bool prepare_pattern(struct parser *p, struct cel_node *call)
{
    struct cel_node *pattern = call->args[1];

    if (pattern->kind != CEL_STRING || p->cel->n_regexes == ARRAY_SIZE(p->cel->regexes))
        return true;
    if (regex_compile(pattern->text, &call->regex, p->err) < 0)
        return false;
    p->cel->regexes[p->cel->n_regexes++] = call;
    return true;
}

/* Behind "(": the arguments of name. receiver: NULL for a global function. */
static struct cel_node *parse_call(struct parser *p, size_t at, struct slice name,
                                   struct cel_node *receiver)
{
    struct args args = {0};
    struct cel_node *call = NULL;

    if (receiver)
        vec_push(&args, receiver);
    size_t i = 0;
    while (i < ARRAY_SIZE(functions) && !slice_is(name, functions[i].name))
        i++;
    if (i == ARRAY_SIZE(functions) || !(receiver ? functions[i].method : functions[i].global)) {
        fail(p, at, "undeclared reference to '%.*s' (in container '')", SLICE_FMT(name));
    } else {
        /* a receiver counts as an item, which would make parse_list expect a comma first */
        struct args rest = {0};
        bool ok = parse_list(p, ")", &rest);
        for (size_t k = 0; k < rest.n; k++)
            vec_push(&args, rest.v[k]);
        vec_done(&rest);
        if (ok && args.n != functions[i].n_args)
            fail(p, at, "found no matching overload for '%.*s'", SLICE_FMT(name));
        else if (ok) {
            call = with_args(p, node(p, CEL_CALL), args.v, args.n);
            call->function = functions[i].function;
            if (call->function == FN_MATCHES && !prepare_pattern(p, call))
                call = NULL;
        }
    }
    vec_done(&args);
    return call;
}

static const char *const macro_names[] = {
    [MACRO_ALL] = "all",       [MACRO_EXISTS] = "exists", [MACRO_EXISTS_ONE] = "exists_one",
    [MACRO_FILTER] = "filter", [MACRO_MAP] = "map",
};

/* Behind "(": a variable, and one expression over it; two for map(x, condition, value). */
static struct cel_node *parse_macro(struct parser *p, enum cel_macro macro, struct cel_node *range)
{
    struct scope scope = {.outer = p->scope};
    struct cel_node *args[3] = {range};
    size_t n = 1;

    skip_space(p);
    if (!parse_ident(p, &scope.name))
        return fail(p, p->at, "argument must be a simple name");
    if (!expect(p, ","))
        return NULL;
    p->scope = &scope;
    do
        args[n] = parse_expr(p);
    while (args[n++] && n < 3 && macro == MACRO_MAP && accept(p, ","));
    p->scope = scope.outer;
    if (!args[n - 1] || !expect(p, ")"))
        return NULL;
    struct cel_node *m = with_args(p, node(p, CEL_MACRO), args, n);
    m->macro = macro;
    m->text = scope.name;
    return m;
}

static struct cel_node *parse_has(struct parser *p, size_t at)
{
    struct cel_node *n = parse_expr(p);

    if (!n || !expect(p, ")"))
        return NULL;
    if (n->kind != CEL_SELECT)
        return fail(p, at, "invalid argument to has() macro");
    n->kind = CEL_HAS;
    return n;
}

/* ---- members ---- */

/*
 * Kubernetes spells property names that are no identifiers with escapes: foo-bar is
 * foo__dash__bar, and words of the language stand between __.
 */
static struct slice unescape_name(struct parser *p, struct slice name)
{
    static const struct {
        const char *word, *text;
    } escapes[] = {
        {"__underscores__", "__"},
        {"__dot__", "."},
        {"__dash__", "-"},
        {"__slash__", "/"},
    };
    static const char *const reserved[] = {
        "true",     "false",   "null",      "in",       "as",  "break",  "const",
        "continue", "else",    "for",       "function", "if",  "import", "let",
        "loop",     "package", "namespace", "return",   "var", "void",   "while",
    };
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (name.n > 4 && !memcmp(name.p, "__", 2) && !memcmp(name.p + name.n - 2, "__", 2))
        for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
            if (slice_is((struct slice){name.p + 2, name.n - 4}, reserved[i]))
                return slice_of(reserved[i]);
    for (size_t at = 0; at < name.n;) {
        struct slice rest = {name.p + at, name.n - at};
        size_t i = 0;
        while (i < ARRAY_SIZE(escapes) && !slice_starts(rest, slice_of(escapes[i].word)))
            i++;
        if (i < ARRAY_SIZE(escapes)) {
            buf_adds(&b, escapes[i].text);
            at += strlen(escapes[i].word);
        } else {
            buf_addc(&b, name.p[at++]);
        }
    }
    return (struct slice){arena_strndup(&p->cel->arena, buf_str(&b), b.len), b.len};
}

static struct cel_node *parse_field(struct parser *p, struct cel_node *of)
{
    struct slice name;

    skip_space(p);
    size_t at = p->at;
    if (!parse_ident(p, &name))
        return fail(p, p->at, "Syntax error: a name must stand behind '.'");
    if (accept(p, "(")) {
        for (size_t i = 0; i < ARRAY_SIZE(macro_names); i++)
            if (slice_is(name, macro_names[i]))
                return parse_macro(p, (enum cel_macro)i, of);
        return parse_call(p, at, name, of);
    }
    struct cel_node *n = unary(p, CEL_SELECT, of);
    n->text = unescape_name(p, name);
    return n;
}

static bool is_declared(const struct parser *p, struct slice name)
{
    for (const struct scope *s = p->scope; s; s = s->outer)
        if (slice_eq(s->name, name))
            return true;
    return slice_is(name, "self") || slice_is(name, "oldSelf");
}

static struct cel_node *parse_name(struct parser *p)
{
    size_t at = p->at;
    struct slice name;

    if (!parse_ident(p, &name))
        return fail(p, at,
                    p->at < p->text.n ? "Syntax error: unexpected '%c'"
                                      : "Syntax error: unexpected end of expression%c",
                    p->at < p->text.n ? peek_raw(p, 0) : ' ');
    if (name.n == 1 && (*name.p | 32) == 'r' && (peek_raw(p, 0) == '"' || peek_raw(p, 0) == '\''))
        return parse_string(p, true);
    if (accept(p, "("))
        return slice_is(name, "has") ? parse_has(p, at) : parse_call(p, at, name, NULL);
    if (slice_is(name, "true") || slice_is(name, "false")) {
        struct cel_node *n = node(p, CEL_BOOL);
        n->b = name.n == 4;
        return n;
    }
    if (slice_is(name, "null"))
        return node(p, CEL_NULL);
    if (!is_declared(p, name))
        return fail(p, at, "undeclared reference to '%.*s' (in container '')", SLICE_FMT(name));
    struct cel_node *n = node(p, CEL_VAR);
    n->text = name;
    return n;
}

static struct cel_node *parse_primary(struct parser *p)
{
    char c = peek(p);

    if (accept(p, "(")) {
        struct cel_node *n = parse_expr(p);
        return n && expect(p, ")") ? n : NULL;
    }
    if (accept(p, "["))
        return parse_list_literal(p);
    if (c == '"' || c == '\'')
        return parse_string(p, false);
    if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)peek_raw(p, 1))))
        return parse_number(p);
    return parse_name(p);
}

static struct cel_node *parse_member(struct parser *p)
{
    struct cel_node *n = parse_primary(p);

    for (int links = 0; n; links++) {
        if (links > 200)
            return fail(p, p->at, "expression nests too deeply");
        if (accept(p, ".")) {
            n = parse_field(p, n);
        } else if (accept(p, "[")) {
            n = binary(p, CEL_INDEX, n, parse_expr(p));
            if (n && !expect(p, "]"))
                return NULL;
        } else {
            break;
        }
    }
    return n;
}

/* ---- operators ---- */

static struct cel_node *parse_unary(struct parser *p)
{
    if (++p->depth > MAX_DEPTH)
        return fail(p, p->at, "expression nests too deeply");
    struct cel_node *n;
    if (accept(p, "!"))
        n = unary(p, CEL_NOT, parse_unary(p));
    else if (accept(p, "-"))
        n = unary(p, CEL_NEGATE, parse_unary(p));
    else
        n = parse_member(p);
    p->depth--;
    return n;
}

struct level {
    struct {
        const char *token;
        enum cel_kind kind;
    } ops[8];
};

/* From loose to tight; all bind to the left. */
static const struct level levels[] = {
    {{{"||", CEL_OR}}},
    {{{"&&", CEL_AND}}},
    {{{"==", CEL_EQ},
      {"!=", CEL_NE},
      {"<=", CEL_LE},
      {">=", CEL_GE},
      {"<", CEL_LT},
      {">", CEL_GT},
      {"in", CEL_IN}}},
    {{{"+", CEL_ADD}, {"-", CEL_SUB}}},
    {{{"*", CEL_MUL}, {"/", CEL_DIV}, {"%", CEL_MOD}}},
};

static struct cel_node *parse_level(struct parser *p, size_t level)
{
    if (level == ARRAY_SIZE(levels))
        return parse_unary(p);
    struct cel_node *n = parse_level(p, level + 1);

    for (int links = 0; n; links++) {
        size_t i = 0;
        while (levels[level].ops[i].token && !accept(p, levels[level].ops[i].token))
            i++;
        if (!levels[level].ops[i].token)
            break;
        if (links > 1000)
            return fail(p, p->at, "expression nests too deeply");
        n = binary(p, levels[level].ops[i].kind, n, parse_level(p, level + 1));
    }
    return n;
}

static struct cel_node *parse_expr(struct parser *p)
{
    if (++p->depth > MAX_DEPTH)
        return fail(p, p->at, "expression nests too deeply");
    struct cel_node *n = parse_level(p, 0);
    if (n && accept(p, "?")) {
        struct cel_node *yes = parse_level(p, 0);
        struct cel_node *no = yes && expect(p, ":") ? parse_expr(p) : NULL;
        n = no ? with_args(p, node(p, CEL_COND), (struct cel_node *[]){n, yes, no}, 3) : NULL;
    }
    p->depth--;
    return n;
}

int cel_parse(struct slice text, struct cel **ret, struct err *err)
{
    struct err own = {0};
    struct cel *cel = xnew(struct cel);
    struct slice copy = {arena_strndup(&cel->arena, text.p, text.n), text.n};
    struct parser p = {.cel = cel, .text = copy, .err = err ? err : &own};

    if (text.n > CEL_MAX_LENGTH)
        fail(&p, CEL_MAX_LENGTH, "expression too long");
    else
        cel->root = parse_expr(&p);
    if (cel->root && peek(&p)) {
        fail(&p, p.at, "Syntax error: unexpected '%c'", peek_raw(&p, 0));
        cel->root = NULL;
    }
    if (!cel->root) {
        cel_free(cel);
        return ERR_INVALID;
    }
    *ret = cel;
    return 0;
}

void cel_free(struct cel *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_regexes; i++)
        regex_free(c->regexes[i]->regex);
    arena_done(&c->arena);
    free(c);
}

static bool node_uses(const struct cel_node *n, const char *name)
{
    if (n->kind == CEL_VAR && slice_is(n->text, name))
        return true;
    for (size_t i = 0; i < n->n; i++)
        if (node_uses(n->args[i], name))
            return true;
    return false;
}

bool cel_uses(const struct cel *c, const char *name)
{
    return node_uses(c->root, name);
}

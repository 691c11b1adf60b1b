#include "data/regex.h"
#include "base/arena.h"
#include "base/mem.h"
#include "base/vec.h"

#include <ctype.h>

#define MAX_REPEAT 1000
#define MAX_DEPTH 200
#define MAX_PROGRAM 20000 /* instructions, after repeats were written out */

/* ---- the tree that a pattern is parsed into ---- */

struct range {
    uint32_t from, to;
};

enum node_kind { NODE_EMPTY, NODE_SET, NODE_ASSERT, NODE_CAT, NODE_ALT, NODE_REPEAT };
enum assertion { LINE_START, LINE_END, TEXT_START, TEXT_END, WORD_EDGE, NOT_WORD_EDGE };

struct node {
    enum node_kind kind;
    struct node *a, *b; /* of CAT, ALT and (only a) REPEAT */
    int min, max;       /* of REPEAT; max -1: without end */
    enum assertion assert_;
    struct range *ranges; /* of SET: sorted by nothing, read as a union */
    size_t n;
};

struct flags {
    bool fold, multi, dot_all;
};

struct parser {
    struct slice pattern;
    const char *p, *end;
    struct arena arena;
    struct flags flags;
    int depth;
    struct err *err;
};

static struct node *fail(struct parser *p, const char *what, const char *from)
{
    if (from)
        err_set(p->err, ERR_INVALID, "error parsing regexp: %s: `%.*s`", what, (int)(p->end - from),
                from);
    else
        err_set(p->err, ERR_INVALID, "error parsing regexp: %s", what);
    return NULL;
}

static struct node *new_node(struct parser *p, enum node_kind kind, struct node *a, struct node *b)
{
    struct node *n = arena_new(&p->arena, struct node);

    *n = (struct node){.kind = kind, .a = a, .b = b};
    return n;
}

static bool more(const struct parser *p)
{
    return p->p < p->end;
}

/* Decodes a rune; a malformed byte stands for itself, so that any text can be walked. */
static uint32_t next_rune(const char **at, const char *end)
{
    const unsigned char *p = (const unsigned char *)*at;
    int len = p[0] < 0xc0 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (end - *at < len)
        len = 1;
    for (int i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            len = 1;
    uint32_t c = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
    for (int i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3fu);
    *at += len;
    return c;
}

/* ---- classes ---- */

struct set {
    struct range *v;
    size_t n, cap;
};

static void set_add(struct set *s, uint32_t from, uint32_t to)
{
    vec_push(s, (struct range){from, to});
}

static int by_from(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

static void set_negate(struct set *s)
{
    struct set out = {0};
    uint32_t next = 0;

    if (s->n)
        qsort(s->v, s->n, sizeof(*s->v), by_from);
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].from > next)
            set_add(&out, next, s->v[i].from - 1);
        next = MAX(next, s->v[i].to + 1);
    }
    if (next <= 0x10ffff)
        set_add(&out, next, 0x10ffff);
    vec_done(s);
    *s = out;
}

/* ASCII letters in both cases: what (?i) means for the patterns that schemas have. */
static void set_fold(struct set *s)
{
    size_t n = s->n;

    for (size_t i = 0; i < n; i++) {
        struct range r = s->v[i];
        uint32_t from = MAX(r.from, 'a'), to = MIN(r.to, 'z');
        if (from <= to)
            set_add(s, from - 32, to - 32);
        from = MAX(r.from, 'A'), to = MIN(r.to, 'Z');
        if (from <= to)
            set_add(s, from + 32, to + 32);
    }
}

static const struct {
    const char *name;
    struct range ranges[5];
} named_classes[] = {
    {"d", {{'0', '9'}}},
    {"w", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", {{0, 0x7f}}},
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
    {"digit", {{'0', '9'}}},
    {"graph", {{'!', '~'}}},
    {"lower", {{'a', 'z'}}},
    {"print", {{' ', '~'}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"upper", {{'A', 'Z'}}},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};

/* Adds a class by its name, or what is not in it; false if there is none. */
static bool set_add_class(struct set *s, struct slice name, bool negated)
{
    struct set class = {0};

    for (size_t i = 0; i < ARRAY_SIZE(named_classes); i++) {
        if (!slice_is(name, named_classes[i].name))
            continue;
        for (size_t j = 0; j < 5 && (j == 0 || named_classes[i].ranges[j].to); j++)
            set_add(&class, named_classes[i].ranges[j].from, named_classes[i].ranges[j].to);
        if (negated)
            set_negate(&class);
        for (size_t j = 0; j < class.n; j++)
            vec_push(s, class.v[j]);
        vec_done(&class);
        return true;
    }
    return false;
}

static struct node *set_node(struct parser *p, struct set *s)
{
    struct node *n = new_node(p, NODE_SET, NULL, NULL);

    if (p->flags.fold)
        set_fold(s);
    n->ranges = arena_array(&p->arena, struct range, s->n ? s->n : 1);
    if (s->n)
        memcpy(n->ranges, s->v, s->n * sizeof(*s->v));
    n->n = s->n;
    vec_done(s);
    return n;
}

static struct node *rune_node(struct parser *p, uint32_t c)
{
    struct set s = {0};

    set_add(&s, c, c);
    return set_node(p, &s);
}

/* ---- escapes ---- */

static bool parse_hex(struct parser *p, uint32_t *ret)
{
    bool braces = more(p) && *p->p == '{';
    uint32_t c = 0;
    int digits = 0;

    p->p += braces;
    while (more(p) && isxdigit((unsigned char)*p->p) && digits < (braces ? 6 : 2)) {
        char d = *p->p++;
        c = c * 16 + (uint32_t)(isdigit((unsigned char)d) ? d - '0' : (d | 32) - 'a' + 10);
        digits++;
    }
    if (braces && (!more(p) || *p->p++ != '}'))
        return false;
    *ret = c;
    return (braces ? digits > 0 : digits == 2) && c <= 0x10ffff;
}

/* Behind a backslash: a rune. False when the escape is none. */
static bool parse_escaped_rune(struct parser *p, uint32_t *ret)
{
    static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
    if (!more(p))
        return false;
    unsigned char c = (unsigned char)*p->p;
    const char *known = c ? strchr(from, c) : NULL;

    if (c == 'x') {
        p->p++;
        return parse_hex(p, ret);
    }
    if (c >= '0' && c <= '7') {
        uint32_t v = 0;
        if (c != '0' && !(p->p + 1 < p->end && p->p[1] >= '0' && p->p[1] <= '7'))
            return false; /* \1 would be a back-reference */
        for (int i = 0; i < 3 && more(p) && *p->p >= '0' && *p->p <= '7'; i++)
            v = v * 8 + (uint32_t)(*p->p++ - '0');
        *ret = v;
        return true;
    }
    if (known) {
        p->p++;
        *ret = (unsigned char)to[known - from];
        return true;
    }
    if (c >= 0x80 || !ispunct(c))
        return false;
    p->p++;
    *ret = c;
    return true;
}

/* \d and its like; c is the letter behind the backslash. */
static bool add_perl_class(struct set *s, char c)
{
    char lower = (char)(c | 32);

    if (!c || !strchr("dDwWsS", c))
        return false;
    return set_add_class(s, (struct slice){&lower, 1}, c != lower);
}

static struct node *parse_escape(struct parser *p)
{
    static const struct {
        char letter;
        enum assertion assertion;
    } assertions[] = {{'A', TEXT_START}, {'z', TEXT_END}, {'b', WORD_EDGE}, {'B', NOT_WORD_EDGE}};
    const char *start = p->p - 1;
    struct set s = {0};
    uint32_t c;

    if (!more(p))
        return fail(p, "trailing backslash at end of expression", p->end);
    for (size_t i = 0; i < ARRAY_SIZE(assertions); i++) {
        if (*p->p != assertions[i].letter)
            continue;
        p->p++;
        struct node *n = new_node(p, NODE_ASSERT, NULL, NULL);
        n->assert_ = assertions[i].assertion;
        return n;
    }
    if (add_perl_class(&s, *p->p)) {
        p->p++;
        return set_node(p, &s);
    }
    if (!parse_escaped_rune(p, &c))
        return fail(p, "invalid escape sequence", start);
    return rune_node(p, c);
}

/* One end of a range in brackets. */
static bool parse_class_rune(struct parser *p, uint32_t *ret)
{
    if (!more(p))
        return false;
    if (*p->p == '\\') {
        p->p++;
        return parse_escaped_rune(p, ret);
    }
    *ret = next_rune(&p->p, p->end);
    return true;
}

/* "[:alpha:]" in brackets; false if it is not one. */
static bool parse_posix_class(struct parser *p, struct set *s)
{
    const char *name = p->p + 2;

    if (p->end - p->p < 4 || p->p[0] != '[' || p->p[1] != ':')
        return false;
    bool negated = *name == '^';
    name += negated;
    const char *close = memchr(name, ':', (size_t)(p->end - name));
    if (!close || close + 1 >= p->end || close[1] != ']')
        return false;
    if (!set_add_class(s, (struct slice){name, (size_t)(close - name)}, negated))
        return false;
    p->p = close + 2;
    return true;
}

static bool parse_class_item(struct parser *p, struct set *s)
{
    uint32_t from, to;

    if (parse_posix_class(p, s))
        return true;
    if (*p->p == '\\' && p->p + 1 < p->end && add_perl_class(s, p->p[1])) {
        p->p += 2;
        return true;
    }
    if (!parse_class_rune(p, &from))
        return false;
    to = from;
    if (p->end - p->p >= 2 && *p->p == '-' && p->p[1] != ']') {
        p->p++;
        if (!parse_class_rune(p, &to) || to < from)
            return false;
    }
    set_add(s, from, to);
    return true;
}

static struct node *parse_class(struct parser *p)
{
    const char *start = p->p - 1;
    struct set s = {0};
    bool first = true, negated = more(p) && *p->p == '^';

    p->p += negated;
    for (; more(p) && (first || *p->p != ']'); first = false) {
        if (parse_class_item(p, &s))
            continue;
        vec_done(&s);
        return fail(p, "invalid character class range", start);
    }
    if (!more(p)) {
        vec_done(&s);
        return fail(p, "missing closing ]", start);
    }
    p->p++;
    if (negated) {
        if (p->flags.fold)
            set_fold(&s);
        set_negate(&s);
    }
    return set_node(p, &s);
}

/* ---- groups, repeats, alternatives ---- */

static struct node *parse_alternatives(struct parser *p);

/* Behind "(?": flags, a name, or ':'. Sets *ret_only for "(?i)", which is no group. */
static bool parse_group_head(struct parser *p, bool *ret_only)
{
    bool value = true;

    *ret_only = false;
    if (more(p) && *p->p == 'P')
        p->p++;
    if (more(p) && *p->p == '<') {
        const char *close = memchr(p->p, '>', (size_t)(p->end - p->p));
        if (!close || close == p->p + 1)
            return false;
        p->p = close + 1;
        return true;
    }
    for (; more(p); p->p++) {
        if (*p->p == 'i')
            p->flags.fold = value;
        else if (*p->p == 'm')
            p->flags.multi = value;
        else if (*p->p == 's')
            p->flags.dot_all = value;
        else if (*p->p == '-' && value)
            value = false;
        else if (*p->p != 'U')
            break;
    }
    if (!more(p) || (*p->p != ':' && *p->p != ')'))
        return false;
    *ret_only = *p->p++ == ')';
    return true;
}

static struct node *parse_group(struct parser *p)
{
    const char *start = p->p - 1;
    struct flags outer = p->flags;
    bool only_flags = false;

    if (more(p) && *p->p == '?') {
        p->p++;
        if (!parse_group_head(p, &only_flags))
            return fail(p, "invalid or unsupported Perl syntax", start);
        if (only_flags)
            return new_node(p, NODE_EMPTY, NULL, NULL);
    }
    if (++p->depth > MAX_DEPTH)
        return fail(p, "expression nests too deeply", p->pattern.p);
    struct node *n = parse_alternatives(p);
    p->depth--;
    if (!n)
        return NULL;
    if (!more(p))
        return fail(p, "missing closing )", p->pattern.p);
    p->p++;
    p->flags = outer;
    return n;
}

static struct node *parse_dot(struct parser *p)
{
    struct set s = {0};

    if (!p->flags.dot_all) {
        set_add(&s, 0, '\n' - 1);
        set_add(&s, '\n' + 1, 0x10ffff);
    } else {
        set_add(&s, 0, 0x10ffff);
    }
    return set_node(p, &s);
}

static struct node *parse_atom(struct parser *p)
{
    const char *start = p->p;
    char c = *p->p++;

    if (c == '(')
        return parse_group(p);
    if (c == '[')
        return parse_class(p);
    if (c == '\\')
        return parse_escape(p);
    if (c == '.')
        return parse_dot(p);
    if (c == '^' || c == '$') {
        struct node *n = new_node(p, NODE_ASSERT, NULL, NULL);
        n->assert_ = c == '^' ? (p->flags.multi ? LINE_START : TEXT_START)
                              : (p->flags.multi ? LINE_END : TEXT_END);
        return n;
    }
    if (c == '*' || c == '+' || c == '?')
        return fail(p, "missing argument to repetition operator", start);
    p->p = start;
    return rune_node(p, next_rune(&p->p, p->end));
}

/* A decimal number of at most four digits; -1 if there is none. */
static int parse_number(const char **at, const char *end)
{
    int n = -1;

    for (int i = 0; i < 4 && *at < end && isdigit((unsigned char)**at); i++)
        n = MAX(n, 0) * 10 + *(*at)++ - '0';
    return n;
}

/* {n}, {n,} or {n,m} at p; anything else in braces is literal text. */
static bool parse_counts(struct parser *p, int *min, int *max)
{
    const char *at = p->p + 1;

    *min = *max = parse_number(&at, p->end);
    if (*min < 0)
        return false;
    if (at < p->end && *at == ',') {
        at++;
        *max = parse_number(&at, p->end);
    }
    if (at >= p->end || *at != '}')
        return false;
    p->p = at + 1;
    return true;
}

static struct node *parse_repeat(struct parser *p)
{
    struct node *n = parse_atom(p);

    for (bool repeated = false; n && more(p); repeated = true) {
        const char *start = p->p;
        int min = 0, max = -1;
        if (*p->p == '*' || *p->p == '+' || *p->p == '?') {
            min = *p->p == '+';
            max = *p->p == '?' ? 1 : -1;
            p->p++;
        } else if (*p->p != '{' || !parse_counts(p, &min, &max)) {
            break;
        }
        if (min > MAX_REPEAT || max > MAX_REPEAT || (max >= 0 && max < min))
            return fail(p, "invalid repeat count", start);
        if (repeated)
            return fail(p, "invalid nested repetition operator", start);
        if (more(p) && *p->p == '?') /* lazy: the same matches */
            p->p++;
        n = new_node(p, NODE_REPEAT, n, NULL);
        n->min = min;
        n->max = max;
    }
    return n;
}

static struct node *parse_sequence(struct parser *p)
{
    struct node *n = NULL;

    while (more(p) && *p->p != '|' && *p->p != ')') {
        struct node *next = parse_repeat(p);
        if (!next)
            return NULL;
        n = n ? new_node(p, NODE_CAT, n, next) : next;
    }
    return n ? n : new_node(p, NODE_EMPTY, NULL, NULL);
}

static struct node *parse_alternatives(struct parser *p)
{
    struct node *n = parse_sequence(p);

    while (n && more(p) && *p->p == '|') {
        p->p++;
        struct node *b = parse_sequence(p);
        n = b ? new_node(p, NODE_ALT, n, b) : NULL;
    }
    return n;
}

/* ---- the program ---- */

enum op { OP_SET, OP_ASSERT, OP_SPLIT, OP_JUMP, OP_MATCH };

struct inst {
    uint8_t op, assertion;
    uint16_t n;    /* ranges of SET */
    uint32_t x, y; /* SET: first range; SPLIT: both ways; JUMP: where to */
};

struct regex {
    struct inst *prog;
    size_t n;
    struct range *ranges;
    size_t n_ranges;
};

struct emitter {
    VEC(struct inst) prog;
    VEC(struct range) ranges;
};

static uint32_t emit(struct emitter *e, struct inst inst)
{
    if (e->prog.n < MAX_PROGRAM)
        vec_push(&e->prog, inst);
    return (uint32_t)(e->prog.n - 1);
}

static bool full(const struct emitter *e)
{
    return e->prog.n >= MAX_PROGRAM;
}

static void emit_node(struct emitter *e, const struct node *n);

static void emit_set(struct emitter *e, const struct node *n)
{
    struct inst inst = {.op = OP_SET, .n = (uint16_t)n->n, .x = (uint32_t)e->ranges.n};

    for (size_t i = 0; i < inst.n; i++)
        vec_push(&e->ranges, n->ranges[i]);
    emit(e, inst);
}

/* max - min optional copies in one another, or a loop. */
static void emit_repeat(struct emitter *e, const struct node *n)
{
    for (int i = 0; i < n->min && !full(e); i++)
        emit_node(e, n->a);
    if (n->max < 0) {
        uint32_t split = emit(e, (struct inst){.op = OP_SPLIT});
        e->prog.v[split].x = (uint32_t)e->prog.n;
        emit_node(e, n->a);
        emit(e, (struct inst){.op = OP_JUMP, .x = split});
        e->prog.v[split].y = (uint32_t)e->prog.n;
        return;
    }
    VEC(uint32_t) splits = {0};
    for (int i = n->min; i < n->max && !full(e); i++) {
        uint32_t split = emit(e, (struct inst){.op = OP_SPLIT});
        vec_push(&splits, split);
        e->prog.v[split].x = (uint32_t)e->prog.n;
        emit_node(e, n->a);
    }
    for (size_t i = 0; i < splits.n; i++)
        e->prog.v[splits.v[i]].y = (uint32_t)e->prog.n;
    vec_done(&splits);
}

static void emit_alternatives(struct emitter *e, const struct node *n)
{
    uint32_t split = emit(e, (struct inst){.op = OP_SPLIT});

    e->prog.v[split].x = (uint32_t)e->prog.n;
    emit_node(e, n->a);
    uint32_t jump = emit(e, (struct inst){.op = OP_JUMP});
    e->prog.v[split].y = (uint32_t)e->prog.n;
    emit_node(e, n->b);
    e->prog.v[jump].x = (uint32_t)e->prog.n;
}

static void emit_node(struct emitter *e, const struct node *n)
{
    if (full(e))
        return;
    switch (n->kind) {
    case NODE_EMPTY:
        break;
    case NODE_SET:
        emit_set(e, n);
        break;
    case NODE_ASSERT:
        emit(e, (struct inst){.op = OP_ASSERT, .assertion = (uint8_t)n->assert_});
        break;
    case NODE_CAT:
        emit_node(e, n->a);
        emit_node(e, n->b);
        break;
    case NODE_ALT:
        emit_alternatives(e, n);
        break;
    case NODE_REPEAT:
        emit_repeat(e, n);
        break;
    }
}

int regex_compile(struct slice pattern, struct regex **ret, struct err *err)
{
    struct err own = {0};
    struct parser p = {
        .pattern = pattern, .p = pattern.p, .end = pattern.p + pattern.n, .err = err ? err : &own};
    struct emitter e = {0};
    int r = 0;

    if (pattern.n > 4096) { /* also bounds the recursion along a sequence */
        return err_set(p.err, ERR_INVALID, "error parsing regexp: expression too large");
    }
    struct node *n = parse_alternatives(&p);
    if (n && more(&p)) {
        fail(&p, "unexpected )", p.pattern.p);
        n = NULL;
    }
    if (n)
        emit_node(&e, n);
    if (!n)
        r = ERR_INVALID;
    else if (full(&e) || e.ranges.n > MAX_PROGRAM * 4)
        r = err_set(p.err, ERR_INVALID, "error parsing regexp: expression too large");
    arena_done(&p.arena);
    if (r < 0) {
        vec_done(&e.prog);
        vec_done(&e.ranges);
        return r;
    }
    emit(&e, (struct inst){.op = OP_MATCH});
    *ret = xnew(struct regex);
    **ret = (struct regex){
        .prog = e.prog.v, .n = e.prog.n, .ranges = e.ranges.v, .n_ranges = e.ranges.n};
    return 0;
}

void regex_free(struct regex *re)
{
    if (!re)
        return;
    free(re->prog);
    free(re->ranges);
    free(re);
}

size_t regex_bytes(const struct regex *re)
{
    return sizeof(*re) + re->n * sizeof(*re->prog) + re->n_ranges * sizeof(*re->ranges);
}

/* ---- matching: all ways at once, a step a rune ---- */

struct threads {
    uint32_t *pc;
    size_t n;
    uint32_t *seen; /* the step at which an instruction was added last */
};

struct position {
    struct slice text;
    size_t at;
};

static bool is_word(struct position pos, bool before)
{
    if (before ? pos.at == 0 : pos.at >= pos.text.n)
        return false;
    unsigned char c = (unsigned char)pos.text.p[before ? pos.at - 1 : pos.at];
    return c < 0x80 && (isalnum(c) || c == '_');
}

static bool holds(enum assertion a, struct position pos)
{
    bool start = pos.at == 0, end = pos.at == pos.text.n;

    switch (a) {
    case TEXT_START:
        return start;
    case TEXT_END:
        return end;
    case LINE_START:
        return start || pos.text.p[pos.at - 1] == '\n';
    case LINE_END:
        return end || pos.text.p[pos.at] == '\n';
    case WORD_EDGE:
        return is_word(pos, true) != is_word(pos, false);
    case NOT_WORD_EDGE:
        return is_word(pos, true) == is_word(pos, false);
    }
    return false;
}

/* Follows all that takes no rune, from pc on. True if that reaches the end of the program. */
static bool add_thread(const struct regex *re, struct threads *t, uint32_t *stack, uint32_t pc,
                       struct position pos, uint32_t step)
{
    size_t n = 0;

    stack[n++] = pc;
    while (n) {
        pc = stack[--n];
        if (t->seen[pc] == step)
            continue;
        t->seen[pc] = step;
        const struct inst *i = &re->prog[pc];
        if (i->op == OP_MATCH)
            return true;
        if (i->op == OP_SET)
            t->pc[t->n++] = pc;
        else if (i->op == OP_JUMP)
            stack[n++] = i->x;
        else if (i->op == OP_SPLIT)
            stack[n++] = i->x, stack[n++] = i->y;
        else if (holds((enum assertion)i->assertion, pos))
            stack[n++] = pc + 1;
    }
    return false;
}

static bool in_set(const struct regex *re, const struct inst *i, uint32_t c)
{
    for (size_t k = i->x; k < i->x + i->n; k++)
        if (c >= re->ranges[k].from && c <= re->ranges[k].to)
            return true;
    return false;
}

bool regex_matches(const struct regex *re, struct slice text)
{
    autofree uint32_t *memory = xcalloc(re->n * 6 + 2, sizeof(uint32_t));
    struct threads now = {.pc = memory, .seen = memory + re->n};
    struct threads next = {.pc = memory + re->n * 2, .seen = memory + re->n * 3};
    uint32_t *stack = memory + re->n * 4; /* at most two pushes an instruction */
    const char *p = text.p, *end = text.p + text.n;

    for (uint32_t step = 1;; step++) {
        struct position pos = {text, (size_t)(p - text.p)};
        /* a match may begin anywhere */
        if (add_thread(re, &now, stack, 0, pos, step))
            return true;
        if (p == end)
            return false;
        uint32_t c = next_rune(&p, end);
        struct position after = {text, (size_t)(p - text.p)};
        next.n = 0;
        for (size_t i = 0; i < now.n; i++) {
            const struct inst *inst = &re->prog[now.pc[i]];
            if (in_set(re, inst, c) && add_thread(re, &next, stack, now.pc[i] + 1, after, step + 1))
                return true;
        }
        struct threads t = now;
        now = next;
        next = t;
    }
}

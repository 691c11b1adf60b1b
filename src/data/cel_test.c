#include "data/cel.h"
#include "base/test.h"

/* "true", "false", or the error. */
static void check(const char *expr, const char *self, const char *old, const char *want)
{
    autojson struct json *a = NULL, *b = NULL;
    struct cel *c = NULL;
    struct err err = {0};
    bool result = false;
    int r = cel_parse(slice_of(expr), &c, &err);

    CHECK_OK(json_parse(slice_of(self), &a, NULL), &err);
    if (old)
        CHECK_OK(json_parse(slice_of(old), &b, NULL), &err);
    struct cel_vars vars = {.self = json_root(a), .old_self = json_root(b)};
    if (r == 0)
        r = cel_eval_bool(c, &vars, &result, &err);
    const char *got = r < 0 ? err.msg : result ? "true" : "false";
    if (strcmp(got, want) != 0)
        FAIL("%s on %s: got %s, want %s", expr, self, got, want);
    cel_free(c);
}

TEST(rules_of_ray)
{
    check("self == oldSelf", "\"a\"", "\"a\"", "true");
    check("self == oldSelf", "\"a\"", "\"b\"", "false");
    check("self in ['ray.io/kuberay-operator', 'kueue.x-k8s.io/multikueue']",
          "\"ray.io/kuberay-operator\"", NULL, "true");
    check("self in ['ray.io/kuberay-operator', 'kueue.x-k8s.io/multikueue']", "\"x\"", NULL,
          "false");
    const char *not_both =
        "!((has(self.onSuccess) || has(self.onFailure)) && has(self.deletionRules))";
    check(not_both, "{\"onSuccess\":{}}", NULL, "true");
    check(not_both, "{\"onSuccess\":{},\"deletionRules\":[]}", NULL, "false");
    const char *either =
        "((has(self.onSuccess) && has(self.onFailure)) || has(self.deletionRules))";
    check(either, "{\"onSuccess\":{}}", NULL, "false");
    check(either, "{\"deletionRules\":[]}", NULL, "true");
}

TEST(expressions)
{
    static const struct {
        const char *expr, *want;
    } cases[] = {
        {"true", "true"},
        {"!true", "false"},
        {"1 + 2 * 3 == 7", "true"},
        {"(1 + 2) * 3 == 9", "true"},
        {"7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3", "true"},
        {"10 - 2 - 3 == 5", "true"},
        {"0x10 == 16", "true"},
        {"1.5 + 1.5 == 3.0", "true"},
        {"1 == 1.0", "true"},
        {".5 < 1.0 && 1e3 == 1000.0", "true"},
        {"'a' + \"b\" == 'ab'", "true"},
        {"'\\u00e4\\x41\\101\\n' == '\xc3\xa4"
         "AA\\n'",
         "true"},
        {"r'\\n' == '\\\\n'", "true"},
        {"'''a'b''' == \"a'b\"", "true"},
        {"'a' < 'b' && 'b' >= 'b' && 'ab' > 'a'", "true"},
        {"false || true && false", "false"},
        {"true ? false : true", "false"},
        {"1 > 2 ? 'x' == 'y' : 3 <= 3", "true"},
        {"2 in [1, 2, 3] && !(4 in [1, 2, 3,])", "true"},
        {"[1, 2] + [3] == [1, 2, 3]", "true"},
        {"size('\xc3\xa4"
         "bc') == 3 && [1].size() == 1 && size(self) == 5",
         "true"},
        {"'n' in self && !('q' in self)", "true"},
        {"self.n == 3 && self['s'] == 'text'", "true"},
        {"has(self.n) && !has(self.zz)", "true"},
        {"has(self.o.x) && !has(self.o.y)", "true"},
        {"self.l[0] == 1 && self.l[2] == 3", "true"},
        {"self.l.all(x, x > 0) && !self.l.all(x, x > 1)", "true"},
        {"self.l.exists(x, x == 2) && !self.l.exists(x, x == 9)", "true"},
        {"self.l.exists_one(x, x == 2) && !self.l.exists_one(x, x > 1)", "true"},
        {"self.l.filter(x, x > 1) == [2, 3]", "true"},
        {"self.l.map(x, x * 2) == [2, 4, 6]", "true"},
        {"self.l.map(x, x > 1, x * 2) == [4, 6]", "true"},
        {"self.o.all(k, k == 'x')", "true"},
        {"self.l.all(x, self.l.exists(y, x == y))", "true"},
        {"self.s.startsWith('te') && self.s.endsWith('xt') && self.s.contains('ex')", "true"},
        {"self.s.matches('^[a-z]+$') && !matches(self.s, '^a')", "true"},
        {"string(7) == '7' && int('7') == 7 && double(7) == 7.0 && int(7.9) == 7", "true"},
        {"'aB'.lowerAscii() == 'ab' && 'aB'.upperAscii() == 'AB' && ' a '.trim() == 'a'", "true"},
        {"null == null && !(null == 1) && 1 != 'a'", "true"},
        {"self.dash__dash__ed == 1", "true"},
        {"{\"n\":1}.n == 1", "column 1: Syntax error: unexpected '{'"},
        {"true // a comment", "true"},
        {"self.o == self.o && self.o != self.l", "true"},
        /* errors, and what absorbs them */
        {"self.zz == 1", "no such key: zz"},
        {"self.zz == 1 || true", "true"},
        {"true || self.zz == 1", "true"},
        {"self.zz == 1 && false", "false"},
        {"self.zz == 1 && true", "no such key: zz"},
        {"self.l.exists(x, x == 3 || self.zz)", "true"},
        {"self.l.all(x, self.zz == 1)", "no such key: zz"},
        {"self.l.filter(x, self.zz)", "no such key: zz"},
        {"1 / 0 == 1", "division by zero"},
        {"1 % 0 == 1", "modulus by zero"},
        {"9223372036854775807 + 1 > 0", "integer overflow"},
        {"-9223372036854775807 - 2 < 0", "integer overflow"},
        {"9223372036854775807 * 2 > 0", "integer overflow"},
        {"'a' + 1 == 'a1'", "no such overload"},
        {"1 + 1.0 == 2.0", "no such overload"},
        {"'a' < 1", "no such overload"},
        {"!1", "no such overload"},
        {"-'a' == 'a'", "no such overload"},
        {"1 && true", "no such overload"},
        {"1 ? true : false", "no such overload"},
        {"1 in 2", "no such overload"},
        {"size(1) == 1", "no such overload"},
        {"self.n.x == 1", "no such overload"},
        {"self.l[9] == 1", "index out of bounds: 9"},
        {"self.l[-1] == 1", "index out of bounds: -1"},
        {"self.l['a'] == 1", "no such overload"},
        {"self['zz'] == 1", "no such key: zz"},
        {"int('x') == 1", "type conversion error from 'string' to 'int'"},
        {"double('x') == 1.0", "type conversion error from 'string' to 'double'"},
        {"self.s.matches('(' + '')", "error parsing regexp: missing closing ): `(`"},
        {"oldSelf == self", "no such attribute(s): oldSelf"},
        {"self.n", "the rule does not give a bool"},
        {"self.s.startsWith(1)", "no such overload"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check(cases[i].expr, "{\"n\":3,\"s\":\"text\",\"l\":[1,2,3],\"o\":{\"x\":1},\"dash-ed\":1}",
              NULL, cases[i].want);
}

TEST(malformed)
{
    static const struct {
        const char *expr, *want;
    } cases[] = {
        {"", "column 1: Syntax error: unexpected end of expression "},
        {"self ==", "column 8: Syntax error: unexpected end of expression "},
        {"== self", "column 1: Syntax error: unexpected '='"},
        {"(self", "column 6: Syntax error: unexpected end of expression, expecting ')'"},
        {"self)", "column 5: Syntax error: unexpected ')'"},
        {"self self", "column 6: Syntax error: unexpected 's'"},
        {"[1, 2", "column 6: Syntax error: unexpected end of expression, expecting ','"},
        {"[1 2]", "column 4: Syntax error: unexpected '2', expecting ','"},
        {"[,]", "column 2: Syntax error: unexpected ','"},
        {"'abc", "column 1: Syntax error: string is not closed"},
        {"'a\nb'", "column 1: Syntax error: string is not closed"},
        {"'\\q'", "column 4: Syntax error: invalid escape in a string"},
        {"'\\xZZ'", "column 4: Syntax error: invalid escape in a string"},
        {"'\\ud800'", "column 8: Syntax error: invalid escape in a string"},
        {"12ab", "column 1: Syntax error: invalid number '12ab'"},
        {"1.2.3", "column 1: Syntax error: invalid number '1.2.3'"},
        {"99999999999999999999", "column 1: Syntax error: invalid number '99999999999999999999'"},
        {"self.", "column 6: Syntax error: a name must stand behind '.'"},
        {"self.1", "column 6: Syntax error: a name must stand behind '.'"},
        {"self[", "column 6: Syntax error: unexpected end of expression "},
        {"self[1", "column 7: Syntax error: unexpected end of expression, expecting ']'"},
        {"true ? 1", "column 9: Syntax error: unexpected end of expression, expecting ':'"},
        {"other == 1", "column 1: undeclared reference to 'other' (in container '')"},
        {"foo(1)", "column 1: undeclared reference to 'foo' (in container '')"},
        {"self.foo()", "column 6: undeclared reference to 'foo' (in container '')"},
        {"startsWith('a')", "column 1: undeclared reference to 'startsWith' (in container '')"},
        {"size()", "column 1: found no matching overload for 'size'"},
        {"size(1, 2)", "column 1: found no matching overload for 'size'"},
        {"has(self)", "column 1: invalid argument to has() macro"},
        {"has(1)", "column 1: invalid argument to has() macro"},
        {"self.all(1, true)", "column 10: argument must be a simple name"},
        {"self.all(x)", "column 11: Syntax error: unexpected ')', expecting ','"},
        {"self.all(x, y)", "column 13: undeclared reference to 'y' (in container '')"},
        {"self.all(x, x) && x", "column 19: undeclared reference to 'x' (in container '')"},
        {"self.matches('(')", "error parsing regexp: missing closing ): `(`"},
        {"a\x01", "column 1: undeclared reference to 'a' (in container '')"},
        {"{}", "column 1: Syntax error: unexpected '{'"},
        {"1 & 2", "column 3: Syntax error: unexpected '&'"},
        {"1 = 2", "column 3: Syntax error: unexpected '='"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check(cases[i].expr, "{}", NULL, cases[i].want);
}

TEST(bounds)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct cel *c = NULL;
    struct err err = {0};

    for (int i = 0; i < 200; i++)
        buf_addc(&b, '(');
    CHECK_INT(cel_parse(buf_slice(&b), &c, &err), ERR_INVALID);
    buf_reset(&b);
    for (int i = 0; i < 200; i++)
        buf_addc(&b, '!');
    CHECK_INT(cel_parse(buf_slice(&b), &c, &err), ERR_INVALID);
    buf_reset(&b);
    for (int i = 0; i <= CEL_MAX_LENGTH; i++)
        buf_addc(&b, ' ');
    CHECK_INT(cel_parse(buf_slice(&b), &c, &err), ERR_INVALID);

    /* 200 * 200 * 200 steps are too many */
    buf_reset(&b);
    buf_adds(&b, "[0");
    for (int i = 1; i < 200; i++)
        buf_printf(&b, ",%d", i);
    buf_addc(&b, ']');
    check("self.all(x, self.all(y, self.all(z, x + y + z >= 0)))", buf_str(&b), NULL,
          "operation cancelled: actual cost limit exceeded");
}

TEST(messages)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    autojson struct json *j = NULL;
    struct cel *c = NULL;
    struct err err = {0};

    CHECK_OK(json_parse(slice_of("{\"a\":7}"), &j, &err), &err);
    struct cel_vars vars = {.self = json_root(j)};
    CHECK_OK(cel_parse(slice_of("'a is ' + string(self.a)"), &c, &err), &err);
    CHECK_OK(cel_eval_string(c, &vars, &b, &err), &err);
    CHECK_STR(buf_str(&b), "a is 7");
    CHECK(cel_uses(c, "self") && !cel_uses(c, "oldSelf"));
    cel_free(c);
    CHECK_OK(cel_parse(slice_of("self.a"), &c, &err), &err);
    CHECK_INT(cel_eval_string(c, &vars, &b, &err), ERR_INVALID);
    cel_free(c);
}

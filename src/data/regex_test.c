#include "data/regex.h"
#include "base/test.h"

TEST(matches)
{
    static const struct {
        const char *pattern, *text;
        bool want;
    } cases[] = {
        {"", "", true},
        {"a", "bab", true},
        {"^a", "ba", false},
        {"^a$", "a", true},
        {"^a$", "a\n", false},
        {"^(a|b)*$", "abba", true},
        {"^(a|b)*$", "abca", false},
        {"^a{2,3}$", "a", false},
        {"^a{2,3}$", "aaa", true},
        {"^a{2,3}$", "aaaa", false},
        {"^a{2,}$", "aaaaaa", true},
        {"^a{2}$", "aa", true},
        {"^a{,2}$", "a{,2}", true},
        {"^[a-c]+$", "abcabc", true},
        {"^[^a-c]+$", "abc", false},
        {"^[^a-c]+$", "xyz", true},
        {"^[]a]+$", "]a", true},
        {"^[-a]+$", "-a", true},
        {"^\\d+\\.\\w$", "12.x", true},
        {"^\\D$", "1", false},
        {"^[\\d-]+$", "1-2", true},
        {"^[[:alpha:]]+$", "abC", true},
        {"^[[:^alpha:]]+$", "1", true},
        {"\\bfoo\\b", "a foo b", true},
        {"\\bfoo\\b", "afoo b", false},
        {"(?i)^abc$", "aBC", true},
        {"^(?:ab)+?$", "abab", true},
        {"^(?P<n>a)$", "a", true},
        {"^.$", "\xc3\xbc", true},
        {"^.$", "\n", false},
        {"(?s)^.$", "\n", true},
        {"(?m)^b$", "a\nb\nc", true},
        {"^\\x41\\x{263a}$", "A\xe2\x98\xba", true},
        {"^(a?){20}a{20}$", "aaaaaaaaaaaaaaaaaaaa", true},
        {"(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false},
        {"^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+"
         "(\\.[0-9]*)?)|(\\.[0-9]+))))?$",
         "1.5Gi", true},
        {"^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+"
         "(\\.[0-9]*)?)|(\\.[0-9]+))))?$",
         "1.5Gx", false},
        {"a||b", "", true},
        {"^$", "", true},
        {"()", "x", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct regex *re cleanup(regex_free_p) = NULL;
        struct err err = {0};
        CHECK_OK(regex_compile(slice_of(cases[i].pattern), &re, &err), &err);
        if (re && regex_matches(re, slice_of(cases[i].text)) != cases[i].want)
            FAIL("%s on %s", cases[i].pattern, cases[i].text);
    }
}

TEST(malformed)
{
    static const struct {
        const char *pattern, *want;
    } cases[] = {
        {"(", "missing closing ): `(`"},
        {"(a", "missing closing ): `(a`"},
        {")", "unexpected ): `)`"},
        {"a)", "unexpected ): `a)`"},
        {"[", "missing closing ]: `[`"},
        {"[a", "missing closing ]: `[a`"},
        {"[]", "missing closing ]: `[]`"},
        {"[b-a]", "invalid character class range: `[b-a]`"},
        {"*", "missing argument to repetition operator: `*`"},
        {"+a", "missing argument to repetition operator: `+a`"},
        {"a|?", "missing argument to repetition operator: `?`"},
        {"a**", "invalid nested repetition operator: `*`"},
        {"a{2}{3}", "invalid nested repetition operator: `{3}`"},
        {"a{1001}", "invalid repeat count: `{1001}`"},
        {"a{3,2}", "invalid repeat count: `{3,2}`"},
        {"\\", "trailing backslash at end of expression: ``"},
        {"\\1", "invalid escape sequence: `\\1`"},
        {"\\q", "invalid escape sequence: `\\q`"},
        {"\\pL", "invalid escape sequence: `\\pL`"},
        {"\\x{110000}", "invalid escape sequence: `\\x{110000}`"},
        {"(?=a)", "invalid or unsupported Perl syntax: `(?=a)`"},
        {"(?<>a)", "invalid or unsupported Perl syntax: `(?<>a)`"},
        {"((a{100}){100}){100}", "expression too large"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct regex *re = NULL;
        struct err err = {0};
        char want[200];
        CHECK_INT(regex_compile(slice_of(cases[i].pattern), &re, &err), ERR_INVALID);
        snprintf(want, sizeof(want), "error parsing regexp: %s", cases[i].want);
        CHECK_STR(err.msg, want);
        regex_free(re);
    }
}

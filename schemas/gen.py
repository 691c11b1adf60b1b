#!/usr/bin/env python3
"""Turns schemas/*.types into the C tables of the type table. README.md describes the format.

    gen.py OUTPUT.c FILE.types...
"""
import json
import re
import sys

SCALARS = {'string': 'STRING', 'bool': 'BOOL', 'int32': 'INT32', 'int64': 'INT64', 'float': 'FLOAT',
           'double': 'DOUBLE', 'bytes': 'BYTES', 'duration': 'DURATION', 'quantity': 'QUANTITY',
           'intstr': 'INT_OR_STRING', 'time': 'TIME', 'microtime': 'MICROTIME', 'raw': 'RAW'}
# An unqualified name means the type of its own package, else of the first of these that has it.
SEARCH = ('meta/v1', 'resource', 'runtime', 'intstr', 'core/v1')
PATCH = {'merge': 'PATCH_MERGE', 'replace': 'PATCH_REPLACE', 'retainKeys': 'PATCH_RETAIN_KEYS'}
LIMITS = ('min', 'max', 'minlen', 'maxlen', 'minitems', 'maxitems')
FIELD_WORDS = {'default', 'enum', 'pattern', 'list', 'map', 'patch', 'nullable', 'preserve', 'embedded',
               'put', 'required', 'optional'} | set(LIMITS)
TYPE_WORDS = {'kind', 'map', 'crd.map', 'union', 'plural', 'storage', 'priority'}
NONE = 0xffff
MAX_FIELDS = 64  # src/data/typed_value.h
API, CRD = 1, 2  # scopes


def fail(where, text):
    sys.exit('%s: %s' % (where, text))


class Type:
    def __init__(self, where, package, name, attrs):
        self.where, self.package, self.name, self.attrs = where, package, name, attrs
        self.scalar, self.of, self.object = None, None, False
        self.fields, self.columns, self.crd, self.deprecated = [], [], None, None
        self.number = None


class Field:
    def __init__(self, where, name, omit, type_text, attrs):
        self.where, self.name, self.omit, self.text, self.attrs = where, name, omit, type_text, attrs
        self.rules = []  # pairs of CEL rule and message


def words(where, line):
    """Splits at blanks; a JSON string, alone or after '=', is one word."""
    out = re.findall(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+', line)
    if ''.join(out) != re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda m: m.group(1) or '', line):
        fail(where, 'unbalanced quotes')
    return out


def text_of(word):
    return json.loads(word) if word.startswith('"') else word


def attributes(where, items):
    attrs = {}
    for item in items:
        key, eq, value = item.partition('=')
        if key in attrs:
            fail(where, 'attribute %s is there twice' % key)
        if key not in TYPE_WORDS and re.sub(r'^(api|crd|item)\.', '', key) not in FIELD_WORDS:
            fail(where, 'unknown attribute %s' % key)
        attrs[key] = value if eq else True
    return attrs


class Parser:
    def __init__(self):
        self.types, self.packages = {}, {}
        self.package = self.type = None

    def read(self, path):
        self.package = self.type = None
        with open(path, encoding='utf-8') as f:
            for n, line in enumerate(f, 1):
                line = line.rstrip('\n')
                if line.strip() and not line.lstrip().startswith('#'):
                    self.line('%s:%d' % (path, n), line)

    def line(self, where, line):
        w = words(where, line)
        if w[0] == 'package':
            self.package = w[1]
            self.packages[w[1]] = (w[2], w[3])
        elif not line.startswith(' '):
            self.declare(where, w)
        elif w[0].startswith('@'):
            self.note(where, w)
        else:
            self.field(where, w)

    def declare(self, where, w):
        scalar = len(w) > 1 and w[1] == '='
        t = Type(where, self.package, w[0], {} if scalar else attributes(where, w[1:]))
        if scalar:
            t.scalar = SCALARS[w[2]]
            t.object = w[3:] == ['object']
            t.of = w[3] if len(w) > 3 and not t.object else None
        if (self.package, w[0]) in self.types:
            fail(where, '%s is there twice' % w[0])
        self.types[self.package, w[0]] = self.type = t

    def note(self, where, w):
        if w[0] == '@rule':
            self.type.fields[-1].rules.append((text_of(w[1]), text_of(w[2])))
        elif w[0] == '@crd':
            self.type.crd = attributes(where, w[1:])
        elif w[0] == '@deprecated':
            self.type.deprecated = text_of(w[1])
        elif w[0] == '@column':
            attrs = attributes(where, w[4:])
            self.type.columns.append((text_of(w[1]), w[2], w[3], int(attrs.get('priority', 0))))
        else:
            fail(where, 'unknown note %s' % w[0])

    def field(self, where, w):
        name, omit = w[0], 'OMIT_NEVER'
        if name.endswith('?0'):
            name, omit = name[:-2], 'OMIT_ZERO'
        elif name.endswith('?'):
            name, omit = name[:-1], 'OMIT_EMPTY'
        self.type.fields.append(Field(where, name, omit, w[1], attributes(where, w[2:])))

    def find(self, where, package, name):
        if '.' in name:
            package, name = name.rsplit('.', 1)
            if (package, name) in self.types:
                return self.types[package, name]
        for p in (package,) + SEARCH:
            if (p, name) in self.types:
                return self.types[p, name]
        fail(where, 'no type %s' % name)


class Pool:
    """Equal values are one; add() gives the place."""

    def __init__(self, *first):
        self.places, self.rows, self.size = {}, [], 0
        for value in first:
            self.add(value)

    def add(self, value, width=1):
        if value not in self.places:
            self.places[value] = self.size
            self.rows.append(value)
            self.size += width
        return self.places[value]


class Tables:
    def __init__(self, parser):
        self.p = parser
        self.text = Pool('')
        self.lists = Pool(())
        self.rules = Pool(self.rule_row({}, [], 0))
        self.items = Pool()
        self.fields, self.order = [], []
        self.types = sorted(parser.types.values(), key=self.rank)
        for n, t in enumerate(self.types):
            t.number = n

    @staticmethod
    def rank(t):
        first = ('ray/v1', 'meta/v1', 'core/v1')
        return first.index(t.package) if t.package in first else len(first), t.package, t.name

    def string(self, s):
        return self.text.add(s, len(s.encode()) + 1)

    def strings(self, items):
        items = tuple(self.string(i) for i in items)
        return self.lists.add(items, len(items) + 1)

    # The rows' columns stand in the order of the structs in src/data/types_table.h.
    def rule_row(self, a, cel, default_scope):
        def scoped(name):
            return a.get(name, a.get('crd.' + name, a.get('api.' + name)))

        enum = scoped('enum')
        core_enum = 'enum' in a and a.get('core')
        keys = re.fullmatch(r'map\((.*)\)', str(a.get('list', '')))
        patch = re.fullmatch(r'([\w+]+)(?:\((\w+)\))?', str(a.get('patch', '')))
        limits = [scoped(n) for n in LIMITS]
        crd_limits = any('crd.' + n in a for n in LIMITS + ('pattern',))
        return (
            self.string(text_of(scoped('pattern') or '')),
            self.string(patch.group(2) or '' if patch else ''),
            self.string(a.get('put', '')),
            self.strings(enum.split('|') if enum else ()),
            self.strings(keys.group(1).split(',') if keys else ()),
            self.strings(part for pair in cel for part in pair),
            CRD if 'crd.enum' in a else API if core_enum else API | CRD,
            default_scope,
            CRD if crd_limits else API | CRD,
            'crd.required' in a and CRD or 0,
            {'atomic': 1, 'granular': 2}.get(a.get('map'), 0),
            '|'.join(PATCH[x] for x in patch.group(1).split('+')) if patch else '0',
            sum(1 << i for i, v in enumerate(limits) if v is not None),
        ) + tuple(int(v or 0) for v in limits)

    def value(self, where, package, text):
        """kind, flags, type of a value: what a field, a list item and a map value have in common"""
        flags = []
        if text.startswith('*'):
            flags.append('FIELD_POINTER')
            text = text[1:]
        if text[:2] in ('[]', '{}'):
            return 'LIST' if text[0] == '[' else 'MAP', flags, None, text[2:]
        if text in SCALARS:
            return SCALARS[text], flags, None, None
        t = self.p.find(where, package, text)
        if t.attrs.get('map') == 'atomic':
            flags.append('FIELD_ATOMIC')
        return t.scalar or 'STRUCT', flags, t, None

    def row(self, f, package, text, name, omit, a, cel):
        kind, flags, t, item = self.value(f.where, package, text)
        type_number = t.number if t else NONE
        if item:
            inner = {k[5:]: v for k, v in a.items() if k.startswith('item.')}
            inner['core'] = a.get('core')
            type_number = self.items.add(self.row(f, package, item, '', 'OMIT_NEVER', inner, []))
        flags += self.flags(a, omit) if name else []
        default = a.get('default', a.get('api.default'))
        scope = 0 if default is None else API if 'api.default' in a else API | CRD
        rule = self.rules.add(self.rule_row(a, cel, scope))
        return (self.string(name), self.string(default or ''), type_number, rule, len(name),
                'FIELD_' + kind, omit, '|'.join(sorted(set(flags))) or '0')

    @staticmethod
    def flags(a, omit):
        out = []
        if a.get('required') or (omit == 'OMIT_NEVER' and not a.get('optional')):
            out.append('FIELD_REQUIRED')
        kind = str(a.get('list', a.get('map', '')))
        for prefix, flag in (('atomic', 'ATOMIC'), ('set', 'SET'), ('map(', 'LIST_MAP')):
            if kind.startswith(prefix):
                out.append('FIELD_' + flag)
        for word, flag in (('nullable', 'NULLABLE'), ('preserve', 'PRESERVE'), ('embedded', 'EMBEDDED')):
            if a.get(word):
                out.append('FIELD_' + flag)
        return out

    def type_row(self, t):
        first = len(self.fields)
        for f in t.fields:
            f.attrs['core'] = not t.package.startswith('ray/')
            self.fields.append(self.row(f, t.package, f.text, f.name, f.omit, f.attrs, f.rules))
        names = [f.name.encode() for f in t.fields]
        if len(set(names)) != len(names) or len(names) > MAX_FIELDS:
            fail(t.where, 'a field is there twice, or there are too many')
        self.order += sorted(range(len(names)), key=lambda i: names[i])
        flags = [flag for flag, on in (
            ('TYPE_ATOMIC', t.attrs.get('map') == 'atomic'),
            ('TYPE_ATOMIC_IN_CRD', t.attrs.get('crd.map') == 'atomic'),
            ('TYPE_OBJECT', t.object)) if on]
        of = self.p.find(t.where, t.package, t.of).number if t.of else NONE
        union = re.split('[:,]', t.attrs['union']) if 'union' in t.attrs else ()
        prefix = self.p.packages[t.package][0]
        full = self.string('%s.%s' % (prefix, t.name))
        return (full + len(prefix) + 1, self.string(t.package), full, first, len(names),
                'FIELD_' + (t.scalar or 'STRUCT'), '|'.join(flags) or '0', of, self.strings(union))

    def kinds(self):
        for t in self.types:
            kind = t.attrs.get('kind')
            if not kind:
                continue
            own = self.p.packages[t.package][1]
            for version in kind.split(',') if isinstance(kind, str) else [own]:
                group, _, v = version.rpartition('/')
                yield t.name, group, v, t.number

    def versions(self):
        """One row a version of a CRD: the kinds in their order, in each the storage version first."""
        rows = [t for t in self.types if t.crd]
        kinds = ['RayCluster', 'RayJob', 'RayService', 'RayCronJob']
        rows.sort(key=lambda t: (kinds.index(t.name), 'storage' not in t.crd))
        for t in rows:
            columns = [part for c in t.columns for part in (c[0], c[1], c[2], str(c[3]) if c[3] else '')]
            yield (t.number, self.string(t.name), self.string(t.crd['plural']),
                   self.string(t.package.split('/')[1]), self.string(t.deprecated or ''),
                   self.strings(columns), int('storage' in t.crd))


def c_string(s):
    out = ''.join(c if 32 <= ord(c) < 127 and c not in '"\\?' else
                  ''.join('\\%03o' % b for b in c.encode()) for c in s)
    return '"%s\\0"' % out


def c_rows(out, declaration, rows):
    out.append('const %s = {' % declaration)
    out += ['    {%s},' % ', '.join(str(c) for c in row) for row in rows]
    out.append('};')


def c_numbers(out, declaration, numbers):
    out.append('const %s = {' % declaration)
    numbers = [str(n) for n in numbers]
    out += ['    %s,' % ', '.join(numbers[i:i + 20]) for i in range(0, len(numbers), 20)]
    out.append('};')


def main(output, inputs):
    parser = Parser()
    for path in inputs:
        parser.read(path)
    tables = Tables(parser)
    types = [tables.type_row(t) for t in tables.types]
    kinds = [(tables.string(n), tables.string(g), tables.string(v), number)
             for n, g, v, number in sorted(tables.kinds())]
    versions = list(tables.versions())
    out = ['/* Made by schemas/gen.py from schemas/; do not edit. */', '#include "data/types_table.h"', '']
    c_rows(out, 'struct type type_rows[]', types)
    c_rows(out, 'struct field field_rows[]', tables.fields)
    c_rows(out, 'struct field item_rows[]', tables.items.rows)
    c_rows(out, 'struct rules rule_rows[]', tables.rules.rows)
    c_rows(out, 'struct kind_row kind_rows[]', kinds)
    c_rows(out, 'struct version_row version_rows[]', versions)
    c_numbers(out, 'uint8_t field_order[]', tables.order)
    c_numbers(out, 'uint32_t string_lists[]',
              [n for row in tables.lists.rows for n in (len(row),) + row])
    out += ['const char table_text[] ='] + ['    ' + c_string(s) for s in tables.text.rows] + ['    "";']
    for name, n in (('type', len(types)), ('kind', len(kinds)), ('version', len(versions))):
        out.append('const size_t n_%s_rows = %d;' % (name, n))
    with open(output, 'w', encoding='utf-8') as f:
        f.write('\n'.join(out) + '\n')


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])

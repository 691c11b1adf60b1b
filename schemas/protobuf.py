#!/usr/bin/env python3
"""protobuf.numbers as one C string: "TYPE\\tMEMBER=NUMBER …\\n", types with their package before them."""
import sys

target, source = sys.argv[1:]
package, lines = '', []
with open(source) as f:
    for line in f:
        if line.startswith('#') or not line.strip():
            continue
        if line.startswith('package '):
            package = line.split()[1]
        elif line[0].isspace():
            lines[-1] += ' ' + line.strip()
        else:
            name, _, fields = line.strip().partition(' ')
            lines.append('%s.%s\t%s' % (package, name, fields))
with open(target, 'w') as f:
    f.write('#include "apiserver/protobuf.h"\n\nconst char protobuf_numbers[] =\n')
    for line in lines:
        f.write('    "%s\\n"\n' % line.replace('\t', '\\t'))
    f.write('    "";\n')

"""Small templates, each for one matter. Written for this project."""

# One in each line.
EXPRESSIONS = r"""
7 // 2
-7 // 2
7 % 3
-7 % 3
7 / 2
6 / 2
2 ** 5
1.0
1e3
10 - 2 * 3
1_000
3.7 | int
'12' | int
'x' | int(5)
'2.5' | float
-3 | abs
2.567 | round(2)
2.5 | round
[3, 1, 2] | sum
1 < 2
1 < 2 < 3
3 > 2 > 2
1 == 1.0
'a' < 'b'
[1, 2] == [1, 2]
{'a': 1} == {'a': 1}
true == 1
none == false
1 and 2
0 or 'x'
not []
[] or {} or 'last'
missing or 'default'
'unseen' if false
2 in [1, 2]
'k' in {'k': 1}
'x' not in 'abc'
1 in (1, 2)
'a' in missing
'a' ~ 1 ~ none ~ true ~ [1, 'x'] ~ {'k': none}
'ab' * 2
[1] * 2 + [2]
'adj' 'acent'
missing
missing is defined
missing is undefined
messages[99] is defined
{'a': 1}.b is defined
missing | default('d')
'' | default('e', true)
missing | length
True
False
None
none
"it's"
'say "hi"'
["it's", 'say "hi"', 'both \' and "', 'tab\t', 'é', '\u00e9\n', '\\']
()
[]
{}
0.1 + 0.2
1e16
1.5e-7
100.0
[1.0, 2.50] | tojson
1e22 | tojson
3.0 | string
4 is even
3 is odd
9 is divisibleby 3
9 is divisibleby(2)
1 is eq 1
2 is gt 1
1 is in [1]
true is boolean
1 is boolean
true is integer
1 is integer
1.0 is float
true is number
'a' is sequence
{} is mapping
none is none
none is iterable
{} is iterable
{} is sequence
count is not none and count is number
range is callable
1 is sameas 1
'A' is upper
true is true
1 is true
[3, 1, 2] | sort
['b', 'A', 'c'] | sort
[3, 1] | sort(reverse=true)
[1, 1, 2] | unique | list
[1, 2, 3] | reverse | list
[1, 2, 3] | first
[1, 2, 3] | last
[4, 9] | max
[4, 9] | min
range(3) | list
range(1, 8, 3) | list
[1, 2, 3, 4][1:3]
[1, 2, 3][-1]
(1, 2, 3)[:2]
[[1, 2], [3]] | map('length') | list
[1, 2, 3, 4] | select('odd') | list
[1, 2, 3, 4] | reject('gt', 2) | list
[0, 1, ''] | select | list
[1, 2, 3] | batch(2) | list
[{'a': 1}, {'a': 2}, {}] | selectattr('a') | list
[{'a': 1}, {'a': 2}] | rejectattr('a', 'equalto', 1) | map(attribute='a') | list
[{'a': 1}, {}] | map(attribute='a', default='none') | join('/')
[{'a': 2}, {'a': 1}] | sort(attribute='a') | map(attribute='a') | join(',')
[{'a': 1, 'b': 'x'}, {'a': 1, 'b': 'y'}] | groupby('a') | length
'a b' | title
['x', 'y'] | join
'line\nnext\n\nlast' | indent(2)
'line\nnext' | indent(width=3, first=true)
'<a href="x">&\'' | escape
'<safe>' | safe
'word word' | wordcount
'%s and %s' | format('one', 2)
'xxabxx' | trim('x')
messages[0]['role']
messages[-1].role
messages | map(attribute='role') | unique | join('+')
(messages | selectattr('role', 'equalto', 'user') | list)[0].role if messages | selectattr('role', 'equalto', 'user') | list else 'no user'
strftime_now('%d %b %Y, %H:%M:%S %A %B %j %y %I %p %%')
messages[0].role.nothing is defined
bos_token ~ eos_token
enable_thinking is defined and enable_thinking is false
[{'a': {'b': 1}}] | map(attribute='a.b') | first
{'b': 1, 'A': 2, 'c': {'d': none}}
{'b': 1, 'A': 2}.keys() | list
{'b': 1, 'A': 2}.values() | list
{'b': 1, 'A': 2} | items | list
{'b': 1, 'A': 2} | dictsort
{'b': 1, 'A': 2} | dictsort(true)
{'b': 1, 'A': 2} | dictsort(by='value', reverse=true)
{'b': 1}.get('x')
{'b': 1}.get('x', 'y')
{'b': 1} | length
{'b': 1} | list
{'b': 1, 'A': {'d': none}} | tojson
{'b': [1, {}], 'A': {'d': []}} | tojson(indent=4)
{'b': 1, 'A': 'é🌦'} | tojson(sort_keys=true, ensure_ascii=true, separators=(',', ':'))
'\u007f\u0001\b\f/\u2028"\\' | tojson
dict(a=1, b='x')
{'x': 1}.x
{'x': 1}['x']
'a,b,,c'.split(',')
'a,b,,c'.split(',', 2)
' a  b '.split()
' a  b  c '.split(none, 1)
'a-b-c'.rsplit('-', 1)
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'xxaxx'.strip('x')
'xyaxy'.lstrip('yx')
'prefixed'.removeprefix('pre')
'suffixed'.removesuffix('ed')
'a\u00a0\u2003'.strip() | length
'\x1c\x85a\ufeff'.strip() | length
'ẞß'.upper()
'İ'.lower() | length
"it's a dog's life".title()
"it's a dog's life" | title
'hELLO wORLD'.capitalize()
'hELLO wORLD'.swapcase()
'abc'.zfill(5)
'ab'.center(6) ~ '|'
'ab'.ljust(4) ~ '|' ~ 'ab'.rjust(4)
'aXbX'.index('X')
'12'.isdigit() and not '1a'.isdigit()
'a1'.isalnum() and 'ab'.isalpha()
'AB'.isupper() and 'ab'.islower()
'{} {}'.format('a', 1)
'{0}{1}{0} {x}'.format('a', 'b', x='c')
'%s-%d-%5.2f' % ('a', 3, 2.5)
'a\nb\r\nc'.splitlines()
'a\nb\n'.splitlines(true)
'-'.join(['a', 'b'])
'👩‍👩‍👧' | length
'añ🌦'[1:]
'añ🌦'[-1]
'abc'[10:] ~ '|'
'abc'[5] is defined
[1, 2, 3].index(2)
[1, 2, 2].count(2)
'a' 'b' ~ 1 + 2
2 + 3 ~ 4
1 if true
(1 if false) is defined
'a' if false else 'b' if false else 'c'
not true == false
not 1 in [2]
1 + 2 * 3 ** 2 // 4 % 5 - 1
-2 ** 2
2 ** -1
7.5 // 2
-7.5 % 2
true + 1
1 / 3
1e100
123456789012
0.1
1 // 0
'a' + 1
'a' + missing
missing.x
missing.x.y is defined
missing[0]
missing()
none.x is defined
none | length
none + 'a'
'a' * -1
[1] + 'a'
'a' < 1
{'a': 1}.a.b.c is defined
messages[0].items() | list | length
messages[0].content.nothing is defined
messages | length > 2 and messages[1:] | length
messages | map(attribute='role') | list
messages | map('length') | list
messages | selectattr('role', 'in', ['user', 'system']) | map(attribute='role') | join(' ')
messages | rejectattr('name', 'defined') | list | length
messages | selectattr('content', 'string') | list | length
[1, 2] | sum(start=10)
[{'n': 1}, {'n': 2}] | sum(attribute='n')
['b', 'a'] | sort | join(', ')
['b', 'A', 'a'] | sort(case_sensitive=true)
['a', 'A', 'b'] | unique | list
[[1, 2], [3, 4]] | map('join', '-') | list
['a', 'b'] | map('upper') | join
[' a ', 'b '] | map('trim') | list
[1, 2] | map('string') | list
[none, 1] | map('default', 0, true) | list
[1, 2, 3] | join(', ')
[{'k': 'x'}, {'k': 'y'}] | join(',', attribute='k')
[] | first is defined
[] | last is defined
[] | max is defined
'abc' | list
'abc' | truncate(2)
'aaaa bbbb cccc' | truncate(9)
'a' | center(5) ~ '|'
'abc' | attr('x') is defined
[1, 2, 3, 4, 5] | slice(2) | list
3 | float
'7' | int + 1
'0x1f' | int(0, 16)
3.99 | int
'abc' | int
1 is number and 1.5 is number and not 'a' is number
1 is not none
1 is not defined
'a' is string and not 1 is string
1 is ne 2
1 is lt 2 and 2 is ge 2 and 1 is le 1
1 is lessthan 2
'x' is in 'xyz'
[] is sequence
missing is iterable
missing is sequence
'upper' is filter
'even' is test
range(5)[2]
range(3, 0, -1) | list
range(0) | list
namespace(a=1).a
namespace({'a': 1}).a
raise_exception('stop')
raise_exception('é ' ~ 1)
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%d %H:%M:%S %A %B %a %j %y %I %p %-d %-m %-H %e %F %T %%')
foo(
'a' | nothing
'a' is nothing
'a'.nothing()
1.upper()
[1].append(2)
{'a': 1}.update({'b': 2})
''.__class__ is defined
().__class__.__mro__
true and false or true
'é' == 'e\u0301'
'a\x41\101'
0x1F
1_000
0b11
1.5e3
1E3
'a' in ['a'] and 'b' not in ['a']
{'a': 1, **{'b': 2}}
[*[1], 2]
messages[0]['role'] | upper ~ '!'
(messages | last).role
messages[-1]['content'][:6]
messages|length
'safe<' | safe | upper
('a', 'b') | join
{'a': (1, 2)} | tojson
(1, 'a', none) | list
[true, false, none] | join(' ')
[1.0, 2] | join(' ')
1.0 ~ ''
1e20 | int
[1, [2, [3]]] | string
{'a': "it's"} | string
'a"b\'c' | string
["a\\b\n"] | string
["\x00\x7f\u200b\ud7ff\U0001f600é"] | string
'\t\n' | tojson
x is defined
{1: 'one', none: 'n'} | tojson
'y' if [] | select | list else 'n'
'y' if [] | select else 'n'
'y' if [] | map('upper') else 'n'
[1] | map('string') | length
[1] | select | first
loop is defined
caller is defined
tools is none
documents is none
add_generation_prompt
bos_token ~ eos_token ~ pad_token
"""

# With a line of hyphens between two.
BLOCKS = r"""
{% for m in messages %}{{ m.role }} {{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}
---
{% for m in messages %}{{ loop.previtem.role }}<{{ m.role }}>{{ loop.nextitem.role }} {{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }} {% endfor %}
---
{% set block %}
  set {{ messages | length }}
{% endset %}
[{{ block }}] [{{ block | trim }}]
---
{% set block | upper %}filtered{% endset %}{{ block }}
---
{% filter upper %}shout {{ 'this' }}{% endfilter %}
---
{% set x = 'outer' %}
{% for i in [1, 2, 3] %}{{ x }}{% set x = 'inner' %}{{ x }} {% endfor %}{{ x }}
---
{% for i in [1, 2] %}{% if x is defined %}{{ x }}{% else %}-{% endif %}{% set x = i %}{% endfor %}
---
{% if true %}{% set x = 'changed' %}{% endif %}{{ x }}
---
{% with y = 1, z = 2 %}{{ y + z }}{% set y = 5 %}{{ y }}{% endwith %}[{{ y }}]
---
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% if i == 5 %}!{% break %}{% endif %},{% endfor %}
---
{% for i in [1, 2] %}{{ i }}{% continue %}{% else %}none{% endfor %}
---
{% for i in range(6) if i is odd %}{{ i }}:{{ loop.index }}/{{ loop.length }} {% else %}none{% endfor %}
---
{% for i in range(6) if i > 9 %}{{ i }}{% else %}none{% endfor %}
---
{% for i in missing %}{{ i }}{% else %}nothing{% endfor %}
---
{% for i in none %}{{ i }}{% endfor %}
---
{% for i in 5 %}{{ i }}{% endfor %}
---
{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }};{% endfor %}
---
{% for key, value in {'a': 1, 'b': [1, 2]}.items() %}{{ key }}={{ value }}{{ ', ' if not loop.last }}{% endfor %}
---
{% for key in {'a': 1, 'b': 2} %}{{ key }}{% endfor %}
---
{% for a, (b, c) in [(1, (2, 3)), [4, [5, 6]]] %}{{ a }}{{ b }}{{ c }} {% endfor %}
---
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
---
{% for letter in 'añ🌦' %}{{ letter }}.{% endfor %}
---
{% for node in [{'n': 1, 'c': [{'n': 2, 'c': [{'n': 3}]}]}, {'n': 4}] recursive %}{{ node.n }}@{{ loop.depth }}{{ loop(node.c) if node.c }} {% endfor %}
---
{% macro greet(name, greeting='Hello') %}{{ greeting }}, {{ name }}{{ kwargs }}{{ varargs }}{% endmacro %}
{{ greet('A') }} {{ greet('B', 'Bye') }} {{ greet(greeting='Hi', name='C') }} {{ greet('D', 'Hi', 'x', y=1) }}
---
{% macro few(a) %}{{ a }}{% endmacro %}{{ few(1, 2) }}
---
{% macro few(a) %}[{{ a }}]{% endmacro %}{{ few() }}
---
{% macro few(a) %}{{ a }}{% endmacro %}{{ few(b=1) }}
---
{% macro defaults(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ defaults(1) }}{{ defaults(1, 2) }}
---
{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}inside {{ messages | length }}{% endcall %}
---
{% macro each(items) %}{% for item in items %}{{ caller(item, loop.index) }};{% endfor %}{% endmacro %}{% call(item, index) each('abc') %}{{ index }}{{ item }}{% endcall %}
---
{% macro down(n) %}{{ n }}{% if n > 0 %}{{ down(n - 1) }}{% endif %}{% endmacro %}{{ down(5) }}
---
{% set outer = 'o' %}{% macro sees() %}{{ outer }}{{ messages | length }}{% endmacro %}{% set outer = 'changed' %}{{ sees() }}
---
{% macro sees() %}{{ local is defined }}{% endmacro %}{% for i in [1] %}{% set local = 1 %}{{ sees() }}{% endfor %}
---
{% macro name() %}x{% endmacro %}{{ name is callable }}{{ name() | upper }}{{ name.name }}
---
{% macro sum(x, y) %}{{ x + y }}{% endmacro %}{% set total = sum(1, 2) %}{{ total }}{{ total is string }}{{ total | int + 1 }}
---
{% raw %}{{ raw }} {% if %}{% endraw %}
---
  {% raw %}
 {{ raw }}
  {%- endraw -%}   after
---
{% set ns = namespace(total=0, list=[]) %}{% for m in messages %}{% set ns.total = ns.total + loop.index %}{% set ns.list = ns.list + [m.role[0]] %}{% endfor %}{{ ns.total }} {{ ns.list | join }} {{ ns.other is defined }}
---
{% set x.y = 1 %}
---
{% set record = {'a': 1} %}{% set record.a = 2 %}
---
{% set a, b = 1, 2 %}{{ b }}{{ a }}{% set a, b = [3, 4] %}{{ a }}{{ b }}
---
{% set a, b = [1] %}
---
{% set pair = 1, 2 %}{{ pair }}
---
{% if false %}a{% elif none %}b{% elif [] %}c{% elif 'd' %}d{% else %}e{% endif %}
---
{% if missing %}a{% else %}b{% endif %}
---
  {% if true %}
    indented
  {% endif %}
end
---
text {% if true %}  
after blanks{% endif %}  
x
---
a
  {#- comment -#}
  b {# comment #}
c
   {# comment #}
d
---
{{ 'a' }}
{{ 'b' }}

{{- ' c ' -}}  

d
---
a  {%- if true %}  b  {%- endif -%}  c
---
   {%+ if true %}kept{% endif +%}
x
---
{%- for i in [1, 2] -%}
  {{ i }}
  {%- if not loop.last %}, {% endif -%}
{%- endfor %}
---
{% generation %}reply{% endgeneration %}
x
---
  {% generation %}
  reply
  {% endgeneration %}
x
---
a  {%- generation -%}  reply  {%- endgeneration -%}  b
---
{% for m in messages %}{% generation %}{% set inner = m.role %}{{ inner }}{{ loop.index }}{% endgeneration %}{{ inner is defined }}{% endfor %}
---
{{ "{% not a tag %}" }}{{ '}}' }}{{ {'a': {'b': 1}} }}
---
{{ '{{' }} }} %} #}
---
{% set text = '  <think>\n a \n</think>\n\n b' %}{{ text.split('</think>')[0].split('<think>')[-1].strip('\n') }}|{{ text.split('</think>')[-1].lstrip('\n') }}
---
{% for m in messages %}{{- raise_exception('No ' ~ m.role) if m.role == 'assistant' else m.role -}}{% endfor %}
---
{% if messages[0].role == 'system' and (messages[1].role == 'user') == (1 % 2 == 0) %}{{ raise_exception('Roles must alternate!') }}{% endif %}ok
---
{% if %}x{% endif %}
---
{% endif %}
---
{% if true %}x
---
{% for i in %}{% endfor %}
---
{% unknown %}
---
{{ 1 +
---
{{ 'unclosed }}
---
{% include 'other' %}
---
{% do messages %}
---
{# unclosed
---
{% break %}
---
{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}
---
{% set loop = 1 %}{{ loop }}
---
{% for i in [1, 2, 3] %}{% if loop.index is divisibleby 2 %}{{ i }}{% endif %}{% endfor %}
---
{% for m in messages[::-1] %}{{ m.role[:1] }}{% endfor %}
---
{% for m in messages | reverse %}{{ m.role[:1] }}{% endfor %}
---
{% for group in [{'k': 1, 'v': 'a'}, {'k': 2, 'v': 'b'}, {'k': 1, 'v': 'c'}] | groupby('k') %}{{ group.grouper }}{{ group.list | map(attribute='v') | join }}{% endfor %}
---
{% for m in messages %}{{ m.content[0:3] + '...' if m.content | length > 3 else m.content }} {% endfor %}
---
{%- set tools_text = '' %}{%- for t in ['a', 'b'] %}{%- set tools_text = tools_text + t %}{%- endfor %}[{{ tools_text }}]
---
{{ '\n' }}a
{{ "\n\n" -}}
 b
"""

CASES = [
    *(f"{{{{ {line} }}}}" for line in EXPRESSIONS.strip().split("\n")),
    *BLOCKS[1:-1].split("\n---\n"),
]

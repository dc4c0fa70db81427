import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import { checkFields } from '../../src/requests/check-fields.ts';
import { MissingField } from '../../src/requests/field-path.ts';
import { compileJson, compileTemplate } from '../../src/requests/template.ts';

const record = {
  text: 'a {{text}} b',
  n: 1.5,
  yes: false,
  none: null,
  list: [{ name: 'x' }, 2],
  user: { name: 'Ann' },
  'user.name': 'whole',
  'Review Text': 'r',
  ['__proto__']: 'polluted',
};

test.each([
  ['plain', 'plain'],
  ['{{text}}', 'a {{text}} b'],
  ['{{ n }}/{{yes}}/{{none}}/', '1.5/false//'],
  ['{{user.name}}', 'whole'],
  ['{{list.0.name}}{{list.1}}', 'x2'],
  ['{{list}} {{user}}', '[{"name":"x"},2] {"name":"Ann"}'],
  ['{{Review Text}}', 'r'],
  ['{{{{ }} {"a":{"b":1}} {{{{{{n}}', '{{ }} {"a":{"b":1}} {{1.5'],
])('%s', (template, text) => {
  expect(compileTemplate(template).render(record)).toBe(text);
});

test.each([
  'other',
  'user.age',
  'list.2',
  'list.length',
  'text.length',
  'none.x',
  'toString',
  'list.-1',
])('a field that is not there is named: %s', (field) => {
  expect(compileTemplate(`a {{${field}}}`).render(record)).toEqual(new MissingField(field));
});

test('fields are listed once each', () => {
  expect(compileTemplate('{{b}}{{a}}{{ b }}').fields).toEqual(['b', 'a']);
  expect(compileJson({ x: ['{{b}}', { y: '{{a}} {{b}}' }], z: 1 }).fields).toEqual(['b', 'a']);
});

test.each(['a {{', '{{}}', '{{ }}', '{{a', '{{{a}}', '{{"a": 1}}', '{{a\nb}}'])(
  'what does not begin a field is refused with its place: %s',
  (template) => {
    expect(() => compileTemplate(template)).toThrow(UsageError);
    expect(() => compileTemplate(template)).toThrow(/character \d+/);
  },
);

test('any text comes through as it is, its braces escaped', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('{', '{{', '}}', '{{{'))),
      (parts) => {
        const text = parts.join('');
        // Odd runs end in one brace that a following text could complete, so each pair is escaped.
        const escaped = text.replaceAll('{{', '{{{{');
        expect(compileTemplate(escaped).render({})).toBe(text);
      },
    ),
  );
});

test('in JSON a lone field keeps its type, and a text around it makes a text', () => {
  const { render } = compileJson({
    messages: '{{list}}',
    count: '{{n}}',
    none: '{{none}}',
    text: 'n={{n}}',
    escaped: '{{{{x{{n}}',
    two: '{{n}}{{n}}',
    nested: [{ user: '{{user}}' }, true, null, 7],
  });
  expect(render(record)).toEqual({
    messages: record.list,
    count: 1.5,
    none: null,
    text: 'n=1.5',
    escaped: '{{x1.5',
    two: '1.51.5',
    nested: [{ user: { name: 'Ann' } }, true, null, 7],
  });
  expect(compileJson({ a: ['{{gone}}'] }).render({})).toEqual(new MissingField('gone'));
});

test('a column that is not there is named, with the columns and the nearest of them', () => {
  expect(() => checkFields(['text'], ['id', 'text'])).not.toThrow();
  const wrong = () => checkFields(['id', 'txet'], ['id', 'Text', 'title'], 'reviews.csv');
  expect(wrong).toThrow(UsageError);
  expect(wrong).toThrow('{{txet}}, but reviews.csv has no such column; did you mean {{Text}}?');
  expect(wrong).toThrow('id, Text, title');
  expect(() => checkFields(['zzzzzzzz'], ['id', 'text'], 'a.csv')).toThrow(
    'the request names {{zzzzzzzz}}, but a.csv has no such column. Its columns are id, text',
  );
  expect(() => checkFields(['text'], [], 'a.csv')).toThrow('a.csv is empty');
});

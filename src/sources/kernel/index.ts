// Records out of bytes: one call takes a row of CSV or an object of JSON apart, takes doubled quotes
// and escapes back, and puts its short texts side by side. Whatever is not in the usual form is given
// up, for the parsers in JavaScript to judge.

import { readRow } from './csv.ts';
import { prepareEscapes, readObject } from './json.ts';
import {
  FIELDS,
  FOUND,
  INPUT,
  MOST_BYTES,
  MOST_FIELDS,
  SHAPE,
  SHAPE_BYTES,
  SHORTS,
  SLACK_BYTES,
} from './layout.ts';

export {
  FIELDS,
  FOUND,
  INPUT,
  MOST_BYTES,
  MOST_FIELDS,
  prepareEscapes,
  readObject,
  readRow,
  SHAPE,
  SHAPE_BYTES,
  SHORTS,
  SLACK_BYTES,
};

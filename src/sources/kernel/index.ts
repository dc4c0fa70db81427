// Records out of bytes: one call takes a row of CSV or an object of JSON apart, takes doubled quotes
// and escapes back, and puts its short texts side by side. Whatever is not in the usual form is given
// up, for the parsers in JavaScript to judge. What lies where is in record-layout.ts.

import { readRow } from './csv.ts';
import { prepareEscapes, readObject } from './json.ts';

export { prepareEscapes, readObject, readRow };

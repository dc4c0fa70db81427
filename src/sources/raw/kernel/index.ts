// Records looked through once, put into the form that JSON.stringify gives, and spliced into lines. All
// addresses are the caller's; reads and writes may go up to 16 bytes past the end of what they are for,
// so whatever lies in an area is followed by as much room.

import { copy } from './bytes.ts';
import { join, joinText, lines, writeNumber } from './lines.ts';
import { assemble, csv, take } from './records.ts';

export { assemble, copy, csv, join, joinText, lines, take, writeNumber };

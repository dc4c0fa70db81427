// One way to say where a record lies, for messages about requests as about sources.
export { where as describePosition } from '../sources/parser.ts';

// The peers are installed by the benchmarks and not by the project, whose check must pass without
// them: to the compiler they are modules of any shape. Each benchmark checks its peer's answer.
declare module '@duckdb/node-api';
declare module 'csv-parse';
declare module 'csv-parser';
declare module 'fast-csv';
declare module 'papaparse';
declare module 'udsv';

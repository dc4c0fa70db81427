// DuckDB in this process, as a user of Node would call it.

/** The first row of a query's answer. */
export async function queryRow(sql: string): Promise<readonly unknown[]> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(sql);
  return reader.getRows()[0] ?? [];
}

/**
 * A schema of any library that speaks Standard Schema (https://standardschema.dev), such as Zod,
 * Valibot or ArkType. Only what is used here.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    /** The extension by which the schema tells its JSON Schema; not every library has it. */
    readonly jsonSchema?: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>;
    };
  };
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Whether this is such a schema, and not a JSON Schema. Some libraries make theirs functions. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  const holder = typeof value === 'object' || typeof value === 'function' ? value : null;
  return holder !== null && '~standard' in holder;
}

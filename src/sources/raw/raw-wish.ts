/** The way to a value from its record down: keys of objects, numbers of elements. */
export type Place = readonly (string | number)[];

/** A record whose strings and numbers at these places may be others, while the rest of it stays. */
export interface RawFrame {
  readonly places: readonly Place[];
}

/** Places that a frame may have. */
export const MOST_PLACES = 64;

/**
 * What is asked of records that stay bytes: the places of fields by their names, or of the strings and
 * numbers that records have which are alike but for these. `frameOf` is told some of the records that
 * were parsed, and gives null for one that is not to be taken as bytes.
 */
export type RawWish =
  | { readonly fields: readonly string[] }
  | { readonly frameOf: (record: object) => RawFrame | null };

/** The custom_ids of a shard that are one prefix and the ordinals `first`, `first + 1` and so on. */
export interface OrdinalRange {
  readonly prefix: string;
  readonly first: number;
  readonly rows: number;
}

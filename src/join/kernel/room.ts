import {
  HEADS,
  LENGTHS,
  NEXTS,
  PLACES,
  RANGES,
  ROOM_AT,
  ROOM_BYTES,
  ROW,
  ROW_TO,
  ROWS,
  STARTS,
  STRETCH_BITS,
  STRETCHES,
} from './layout.ts';

/**
 * Gives the responses of the next rows their addresses in the room, as many as it holds, and sorts
 * those rows by the stretch of the answers in which theirs begins. One that would fill more than the
 * room gets no address.
 */
export function planRoom(): void {
  const rows = load<u32>(ROWS);
  const lengths: u32 = load<u32>(LENGTHS);
  const starts: u32 = load<u32>(STARTS);
  const places: u32 = load<u32>(PLACES);
  const nexts: u32 = load<u32>(NEXTS);
  const heads: u32 = load<u32>(HEADS);
  const ranges: u32 = load<u32>(RANGES);
  const bits: i64 = load<u32>(STRETCH_BITS);
  const roomBytes: u32 = load<u32>(ROOM_BYTES);
  const roomEnd: u32 = load<u32>(ROOM_AT) + roomBytes;
  memory.fill(heads, 0, load<u32>(STRETCHES) << 2);

  let place: u32 = load<u32>(ROOM_AT);
  let row = load<u32>(ROW);
  for (; row < rows; row++) {
    const length: u32 = load<u32>(lengths + (row << 2));
    if (length > roomBytes) store<u32>(places + (row << 2), 0);
    if (length === 0 || length > roomBytes) continue;
    if (place + length > roomEnd) break;
    store<u32>(places + (row << 2), place);
    place += length;

    const start = load<f64>(starts + (row << 3));
    const end = start + <f64>length;
    const stretch: u32 = <u32>(<i64>start >> bits);
    const head = heads + (stretch << 2);
    const range = ranges + (stretch << 4);
    const before = load<u32>(head);
    if (before === 0 || start < load<f64>(range)) store<f64>(range, start);
    if (before === 0 || end > load<f64>(range + 8)) store<f64>(range + 8, end);
    store<u32>(nexts + (row << 2), before);
    store<u32>(head, row + 1);
  }
  store<u32>(ROW_TO, row);
}

/** Copies the wanted responses of a stretch into the room, out of bytes that begin at `start`. */
export function pickAnswers(stretch: i32, bytes: u32, start: f64): void {
  const lengths: u32 = load<u32>(LENGTHS);
  const starts: u32 = load<u32>(STARTS);
  const places: u32 = load<u32>(PLACES);
  const nexts: u32 = load<u32>(NEXTS);
  let row = load<u32>(<u32>load<u32>(HEADS) + ((<u32>stretch) << 2));
  while (row-- !== 0) {
    const from = bytes + <u32>(load<f64>(starts + (row << 3)) - start);
    memory.copy(load<u32>(places + (row << 2)), from, load<u32>(lengths + (row << 2)));
    row = load<u32>(nexts + (row << 2));
  }
}

/** Finds the responses in the room when all of the answers' bytes lie in it. */
export function planWhole(): void {
  const rows = load<u32>(ROWS);
  const starts: u32 = load<u32>(STARTS);
  const places: u32 = load<u32>(PLACES);
  const room: u32 = load<u32>(ROOM_AT);
  for (let row: u32 = 0; row < rows; row++) {
    store<u32>(places + (row << 2), room + <u32>load<f64>(starts + (row << 3)));
  }
  store<u32>(ROW_TO, rows);
}

export const NAME = 'p0000-0000';
export const AT = '2026-11-22T11:00:00.000Z';

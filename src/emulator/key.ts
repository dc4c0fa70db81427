/**
 * The emulator's default key. It opens nothing but an emulator on loopback, and the client refuses
 * to send it anywhere else.
 */
export const EMULATOR_KEY = 'millrace-emulator-key';

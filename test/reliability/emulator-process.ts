// The emulator as a process of its own, so that it can be killed beside the client. Its one argument
// is its options as JSON; it prints its address and key in one line when it takes calls.
import { type EmulatorOptions, startEmulator } from '../../src/emulator/index.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as EmulatorOptions;
const { url, key } = await startEmulator(options);
process.stdout.write(`${JSON.stringify({ url, key })}\n`);

export type { CredentialKind } from './credentials.ts';
export { loadCredential } from './credentials.ts';
export type { ServiceDialect } from './dialects.ts';
export { DIALECTS, dialectOf } from './dialects.ts';
export { LOCAL_KEY_PREFIX } from './endpoint.ts';
export type { AuthKind, ServiceSettings } from './env.ts';
export { serviceFromEnv } from './env.ts';
export type { AzureOptions, CommonOptions, OpenAIOptions } from './targets.ts';
export { azureOpenAI, DEFAULT_TIMEOUT_MS, openAI } from './targets.ts';

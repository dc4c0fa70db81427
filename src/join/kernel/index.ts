import { pickAnswers, planRoom, planWhole } from './room.ts';
import { composeRows } from './rows.ts';

export { composeRows, pickAnswers, planRoom, planWhole };

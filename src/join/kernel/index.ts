import { takeLines } from './answers.ts';
import { addId, addIds, findId, numberIds } from './ids.ts';
import { pickAnswers, planRoom, planWhole } from './room.ts';
import { composeRows } from './rows.ts';

export {
  addId,
  addIds,
  composeRows,
  findId,
  numberIds,
  pickAnswers,
  planRoom,
  planWhole,
  takeLines,
};

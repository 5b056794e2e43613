// The parts of luxon that neither FEEL nor form-js calls: reading times in formats of one's own, and intervals.
function absent() {
  throw new Error("this part of luxon is not in the inbox");
}

export const parseFromTokens = absent;
export const explainFromTokens = absent;
export const formatOptsToTokens = absent;
export const expandMacroTokens = absent;
export const TokenParser = absent;
export default class Interval {
  static fromDateTimes = absent;
  static isInterval = () => false;
}

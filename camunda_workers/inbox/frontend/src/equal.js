// lodash's isEqual for what a form's values are: JSON, and files that were chosen. A hundredth of its size.
export default function isEqual(one, other) {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime();
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other) || Array.isArray(one) !== Array.isArray(other)) return false;
  if (one instanceof Map || one instanceof Set) return one.size === other.size && isEqual([...one], [...other]);
  if (one instanceof Blob || one instanceof Node) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && isEqual(one[name], other[name]));
}

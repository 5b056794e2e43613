// What form-js says in English of its own, in the page's language: build.mjs puts these in the place of its sentences.
let words = {};

export function speak(given) {
  words = given ?? {};
}

export function said(name, values = {}) {
  return (words[name] ?? name).replace(/\{(\w+)\}/g, (_, one) => values[one]);
}

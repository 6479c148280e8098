/** Digits in a row, in groups or not. */
const RUN = /\d(?:[ -]?\d)*/g
/** Such a row at the end of a text, which may go on. */
const OPEN_RUN = /\d(?:[ -]?\d)*[ -]?$/

/** Masks the card numbers in a piece of text, and keeps back a row of digits at its end: the next piece may go on with it. */
export function maskCards(text: string, isLast: boolean): { text: string; hold: string } {
  const open = isLast ? '' : (OPEN_RUN.exec(text)?.[0] ?? '')
  // Longer than any card number, so nothing to wait for.
  const hold = digitsOf(open).length > 19 ? '' : open
  return { text: text.slice(0, text.length - hold.length).replace(RUN, maskRun), hold }
}

/** All but the last four digits become dots, where it is a card number: 13 to 19 digits with Luhn's sum. */
function maskRun(run: string): string {
  const digits = digitsOf(run)
  if (digits.length < 13 || digits.length > 19 || !isLuhn(digits)) return run
  let left = digits.length - 4
  return run.replace(/\d/g, (digit) => (left-- > 0 ? '•' : digit))
}

/** ISO/IEC 7812-1, annex B: every second digit from the right counts twice. */
function isLuhn(digits: string): boolean {
  let sum = 0
  for (const [index, digit] of Array.from(digits).toReversed().entries()) {
    const value = Number(digit) * (index % 2 === 0 ? 1 : 2)
    sum += value > 9 ? value - 9 : value
  }
  return sum % 10 === 0
}

function digitsOf(text: string): string {
  return text.replace(/\D/g, '')
}

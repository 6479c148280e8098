/**
 * Runs inside the isolate, which has no crypto of its own: makes the function that gives the SHA-256 of a text as UTF-8,
 * in hex. Its text is what goes in, so it uses nothing from outside itself.
 */
export function guestHash(): (text: string) => string {
  const { freeze } = Object
  const ROUNDS = constants()

  /** FIPS 180-4 §5.3.3 and §4.2.2: fractions of the roots of the first primes. */
  function constants(): { start: readonly number[]; rounds: readonly number[] } {
    const start: number[] = []
    const rounds: number[] = []
    const fraction = (value: number) => ((value - Math.floor(value)) * 0x100000000) | 0
    for (let n = 2; rounds.length < 64; n++) {
      let isPrime = true
      for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false
      if (!isPrime) continue
      if (start.length < 8) start.push(fraction(Math.sqrt(n)))
      rounds.push(fraction(Math.cbrt(n)))
    }
    return freeze({ start: freeze(start), rounds: freeze(rounds) })
  }

  function sha256(text: string): string {
    const bytes: number[] = []
    for (const letter of text) {
      const code = letter.codePointAt(0) as number
      if (code < 0x80) bytes.push(code)
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63))
      else if (code < 0x10000)
        bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
      else
        bytes.push(
          0xf0 | (code >> 18),
          0x80 | ((code >> 12) & 63),
          0x80 | ((code >> 6) & 63),
          0x80 | (code & 63),
        )
    }
    const { length } = bytes
    bytes.push(0x80)
    while (bytes.length % 64 !== 56) bytes.push(0)
    const high = Math.floor(length / 0x20000000)
    const low = (length << 3) >>> 0
    for (const word of [high, low])
      bytes.push(word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255)
    const state = [...ROUNDS.start]
    const w = new Int32Array(64)
    for (let at = 0; at < bytes.length; at += 64) block(bytes, at, w, state)
    return state.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /** FIPS 180-4 §6.2.2. */
  function block(bytes: readonly number[], at: number, w: Int32Array, state: number[]): void {
    const turn = (value: number, by: number) => (value >>> by) | (value << (32 - by))
    const byte = (index: number) => bytes[at + index] as number
    for (let t = 0; t < 16; t++)
      w[t] =
        (byte(t * 4) << 24) | (byte(t * 4 + 1) << 16) | (byte(t * 4 + 2) << 8) | byte(t * 4 + 3)
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15] as number
      const y = w[t - 2] as number
      const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)
      const s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10)
      w[t] = ((w[t - 16] as number) + s0 + (w[t - 7] as number) + s1) | 0
    }
    let [a, b, c, d, e, f, g, h] = state as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    for (let t = 0; t < 64; t++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
      const choice = (e & f) ^ (~e & g)
      const t1 = (h + s1 + choice + (ROUNDS.rounds[t] as number) + (w[t] as number)) | 0
      const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
      const majority = (a & b) ^ (a & c) ^ (b & c)
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + s0 + majority) | 0
    }
    for (const [index, value] of [a, b, c, d, e, f, g, h].entries())
      state[index] = ((state[index] as number) + value) | 0
  }

  return sha256
}

/** pino-roll ships no types; these are the options that are used here. */
declare module 'pino-roll' {
  export default function roll(options: {
    readonly file: string
    readonly size?: string
    readonly frequency?: 'daily' | 'hourly'
    readonly limit?: { readonly count: number }
    readonly sync: boolean
    readonly minLength: number
    readonly maxLength: number
    readonly mkdir: boolean
    readonly contentMode: 'buffer'
  }): Promise<never>
}

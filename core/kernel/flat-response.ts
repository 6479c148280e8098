import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'
import { ServerResponse } from '../kit/node-http.ts'

/** Fields as `writeHead` takes them: a map, or name and value in turn. */
type Fields = OutgoingHttpHeaders | readonly OutgoingHttpHeader[]

/**
 * Node's response, with the fields of its head in a list instead of a dictionary, which costs each of the fifteen or so
 * that an answer has less. Names and values are checked where the head is written. Like Node's own for whoever uses it.
 */
export class FlatResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  /** In lower case. */
  readonly #names: string[] = []
  /** The same as they are to be written: name and value in turn. */
  readonly #fields: OutgoingHttpHeader[] = []

  override setHeader(name: string, value: number | string | readonly string[]): this {
    // Node says that it is too late.
    if (this.headersSent) return super.setHeader(name, value)
    const key = name.toLowerCase()
    const at = this.#names.indexOf(key)
    if (at === -1) {
      this.#names.push(key)
      this.#fields.push(name, value as OutgoingHttpHeader)
    } else {
      this.#fields[2 * at] = name
      this.#fields[2 * at + 1] = value as OutgoingHttpHeader
    }
    return this
  }

  override appendHeader(name: string, value: string | readonly string[]): this {
    const at = this.#names.indexOf(name.toLowerCase())
    if (at === -1 || this.headersSent) return this.setHeader(name, value)
    this.#fields[2 * at + 1] = [this.#fields[2 * at + 1]!, value].flat().map(String)
    return this
  }

  override getHeader(name: string): OutgoingHttpHeader | undefined {
    const at = this.#names.indexOf(name.toLowerCase())
    return at === -1 ? undefined : this.#fields[2 * at + 1]
  }

  override getHeaders(): OutgoingHttpHeaders {
    const fields = Object.create(null) as OutgoingHttpHeaders
    for (let at = 0; at < this.#names.length; at++)
      fields[this.#names[at]!] = this.#fields[2 * at + 1]
    return fields
  }

  override getHeaderNames(): string[] {
    return [...this.#names]
  }

  override hasHeader(name: string): boolean {
    return this.#names.includes(name.toLowerCase())
  }

  override removeHeader(name: string): void {
    // Node remembers of some that they are not to be made up.
    super.removeHeader(name)
    const at = this.#names.indexOf(name.toLowerCase())
    if (at === -1) return
    this.#names.splice(at, 1)
    this.#fields.splice(2 * at, 2)
  }

  override writeHead(status: number, reason?: string | Fields, fields?: Fields): this {
    const given = typeof reason === 'string' ? fields : (reason ?? fields)
    if (given !== undefined) this.#setAll(given)
    if (typeof reason === 'string') return super.writeHead(status, reason, this.#fields)
    return super.writeHead(status, this.#fields)
  }

  #setAll(fields: Fields): void {
    if (!isList(fields)) {
      for (const [name, value] of Object.entries(fields)) this.setHeader(name, value!)
      return
    }
    for (let at = 0; at < fields.length; at += 2) this.removeHeader(String(fields[at]))
    for (let at = 0; at < fields.length; at += 2) {
      this.appendHeader(String(fields[at]), fields[at + 1] as string)
    }
  }
}

function isList(fields: Fields): fields is readonly OutgoingHttpHeader[] {
  return Array.isArray(fields)
}

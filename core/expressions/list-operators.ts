import type { Json } from '../kit/json.ts'
import type { Frame, Run } from './limits.ts'
import type { Node } from './node.ts'
import type { Operator } from './operator.ts'
import { isTruthy } from './values.ts'

/**
 * The operators that evaluate their second argument once for each item of a list, as json-logic-js does. In
 * there `{ var: x }` is relative to the item; `$roots` are the outer ones still.
 */
export const LIST_OPERATORS: Readonly<Record<string, Operator>> = {
  map: overItems((list, each) => list.map(each)),
  filter: overItems((list, each) => list.filter((item) => isTruthy(each(item)))),
  reduce: reduce(),
  all: overItems(
    (list, each) => list.length > 0 && list.every((item) => isTruthy(each(item))),
    false,
  ),
  some: overItems((list, each) => list.some((item) => isTruthy(each(item))), false),
  none: overItems((list, each) => !list.some((item) => isTruthy(each(item))), true),
}

function overItems(
  visit: (list: readonly Json[], each: (item: Json) => Json) => Json,
  otherwise?: Json,
): Operator {
  return {
    arity: [2, 2],
    perItem: 1,
    compile:
      ([, body]) =>
      ([list, each]) =>
      (frame) => {
        const items = list!(frame)
        if (!Array.isArray(items)) return otherwise ?? []
        const outer = frame.item
        const value = visit(items, (item) => evaluateWith(item, each!, body!, frame))
        frame.item = outer
        return value
      },
  }
}

function reduce(): Operator {
  return {
    arity: [2, 3],
    perItem: 1,
    compile:
      ([, body]) =>
      ([list, each, initial]) =>
      (frame) => {
        const items = list!(frame)
        let accumulator = initial ? initial(frame) : null
        if (!Array.isArray(items)) return accumulator
        const outer = frame.item
        for (const current of items) {
          accumulator = evaluateWith({ current, accumulator }, each!, body!, frame)
        }
        frame.item = outer
        return accumulator
      },
  }
}

function evaluateWith(item: Json, run: Run, body: Node, frame: Frame): Json {
  // One for the item itself, so that an empty body is not free.
  frame.spend(1 + body.size)
  frame.item = item
  return run(frame)
}

/** Evaluates each entry of a list that is written in the expression. */
export function buildList(children: readonly Run[]): Run {
  return (frame) => children.map((child) => child(frame))
}

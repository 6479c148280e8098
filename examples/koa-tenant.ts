import type { Middleware } from 'koa'

/** Wants to know on whose behalf a request is made, and says so in the answer. */
const tenant: Middleware = async (ctx, next) => {
  const name = ctx.get('x-tenant')
  if (name === '') ctx.throw(400, 'say who you are in x-tenant')
  await next()
  ctx.set('x-tenant', name)
}

export default tenant

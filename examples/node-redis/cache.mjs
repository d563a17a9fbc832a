// Cache-aside with node-redis over Larder's Unix socket.
//
//   npm install redis
import { createClient } from 'redis'

const SOCKET = process.env.LARDER_SOCKET ?? '/run/larder/larder.sock'

/** A connected client. Without the listener for errors, a lost connection would end the process. */
export async function connect(options) {
  const client = createClient({ socket: { path: SOCKET }, ...options })
  client.on('error', (error) => console.warn(`cache: ${error.message}`))
  return client.connect()
}

/** The value kept under `key`, else what `load()` gives, kept for `ttlS` seconds. */
export async function cached(client, key, ttlS, load) {
  const kept = await client.get(key)
  if (kept !== null) return JSON.parse(kept)
  const value = await load()
  await client.set(key, JSON.stringify(value), { expiration: { type: 'EX', value: ttlS } })
  return value
}

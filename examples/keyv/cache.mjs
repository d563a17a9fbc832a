// Keyv over Larder's Unix socket.
//
//   npm install keyv@5 @keyv/redis
import KeyvRedis, { Keyv } from '@keyv/redis'

const SOCKET = process.env.LARDER_SOCKET ?? '/run/larder/larder.sock'

/** A store of its own: `namespace` keeps its keys apart from those of the others. */
export function store(namespace, options) {
  const redis = new KeyvRedis({ socket: { path: SOCKET }, database: 9 })
  return new Keyv({ store: redis, namespace, useKeyPrefix: false, throwOnErrors: true, ...options })
}

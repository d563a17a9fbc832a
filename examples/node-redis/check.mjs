// Checks node-redis in both protocols: the example, pipelines, transactions, errors and a killed connection.
import { createRequire } from 'node:module'
import { RESP_TYPES, WatchError } from 'redis'
import { Checks, MEGABYTE } from '../../tests/clients/node/checks.mjs'
import { cached, connect } from './cache.mjs'

const { version } = createRequire(import.meta.url)('redis/package.json')
const checks = new Checks(`node-redis ${version}`)

for (const RESP of [2, 3]) {
  const told = (what) => `RESP${RESP}: ${what}`
  const options = { RESP, database: 8, name: 'victim' }
  const client = await connect(options)
  await client.flushDb()

  let loads = 0
  const load = async () => ({ id: 7, loads: (loads += 1) })
  await checks.equal(told('a miss loads'), cached(client, 'user:7', 60, load), { id: 7, loads: 1 })
  await checks.equal(told('a hit does not'), cached(client, 'user:7', 60, load), { id: 7, loads: 1 })
  await checks.equal(told('the TTL is set'), client.ttl('user:7').then((ttl) => ttl >= 58 && ttl <= 60), true)
  await checks.equal(told('its name'), client.clientGetName(), 'victim')
  await checks.equal(told('SET NX on a key that is there'), client.set('user:7', 'x', { condition: 'NX' }), null)
  await checks.equal(told('SET GET'), client.set('k', 'ü', { GET: true }), null)
  await checks.equal(told('GETEX'), client.getEx('k', { type: 'PX', value: 50000 }), 'ü')
  await checks.equal(told('PERSIST'), client.persist('k'), 1)

  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
  await client.set('mb', MEGABYTE)
  await checks.equal(told('1 MB of bytes'), binary.get('mb').then((value) => MEGABYTE.equals(value)), true)
  await client.mSet({ a: '1', b: '2' })
  await checks.equal(told('MGET'), client.mGet(['a', 'none', 'b']), ['1', null, '2'])
  await checks.equal(told('pipelined of itself'), Promise.all([1, 2, 3].map((n) => client.incrBy('n', n))), [1, 3, 6])
  await checks.equal(told('EXISTS, DEL'), Promise.all([client.exists(['a', 'b', 'c']), client.del(['a', 'b'])]), [2, 2])
  await checks.expires(
    told('PX 400'),
    () => client.set('brief', 'x', { expiration: { type: 'PX', value: 400 } }),
    () => client.get('brief'),
    400,
  )

  await checks.equal(told('MULTI/EXEC'), client.multi().set('t', '5').incr('t').get('none').exec(), ['OK', 6, null])
  await checks.equal(told('a pipeline'), client.multi().incr('t').pTTL('t').execAsPipeline(), [7, -1])
  await checks.rejects(
    told('an error inside EXEC'),
    client.multi().set('w', 'word').incr('w').exec().catch((error) => Promise.reject(error.errors()[Symbol.iterator]().next().value)),
    'value is not an integer',
  )
  const other = await connect({ ...options, name: 'killer' })
  await client.watch('t')
  await other.set('t', 'theirs')
  await checks.equal(
    told("WATCH sees the other's write"),
    client.multi().set('t', 'mine').exec().catch((error) => error instanceof WatchError),
    true,
  )

  await Promise.all(Array.from({ length: 500 }, (_, i) => client.set(`scan:${i}`, i.toString())))
  const found = new Set()
  for await (const keys of client.scanIterator({ MATCH: 'scan:*', COUNT: 50 })) keys.forEach((key) => found.add(key))
  await checks.equal(told('scanIterator'), found.size, 500)
  await checks.rejects(told('not an integer'), client.incr('k'), 'value is not an integer or out of range')
  await checks.rejects(told('wrong number of arguments'), client.sendCommand(['GET']), 'wrong number of arguments')
  await checks.rejects(told('an unknown command'), client.sendCommand(['NOSUCHCOMMAND', 'x']), 'unknown command')
  await checks.equal(told('CONFIG GET'), client.configGet('maxmemory-policy').then(Object.keys), ['maxmemory-policy'])
  await checks.equal(told('INFO'), client.info('server').then((info) => /redis_version:7\./.test(info)), true)
  const { proto, server } = await client.hello(RESP)
  await checks.equal(told('HELLO'), [proto, server], [RESP, 'redis'])

  const id = await client.clientId()
  const lost = new Promise((resolve) => client.once('reconnecting', resolve))
  await checks.equal(told('CLIENT KILL'), other.clientKill({ filter: 'ID', id }), 1)
  await lost
  await checks.equal(told('a command while it reconnects'), client.get('t'), 'theirs')
  await checks.equal(told('on a new connection'), client.clientId().then((now) => now !== id), true)

  await client.flushDb()
  await Promise.all([client.close(), other.close()])
}
checks.done()

// Checks Keyv with @keyv/redis: values, TTLs, many keys, namespaces, iteration and clearing.
import { Checks } from '../../tests/clients/node/checks.mjs'
import { store } from './cache.mjs'

const checks = new Checks('keyv')
const users = store('users')
const prices = store('prices', { ttl: 60_000 })
for (const each of [users, prices]) each.on('error', (error) => checks.fail('an error event', error))
await users.clear()
await prices.clear()

await checks.equal('a miss', users.get('7'), undefined)
await checks.equal('set', users.set('7', { name: 'Ada', tags: [1, null, 'ü'] }), true)
await checks.equal('a hit', users.get('7'), { name: 'Ada', tags: [1, null, 'ü'] })
await checks.equal('another namespace', prices.get('7'), undefined)
await checks.equal('has', Promise.all([users.has('7'), users.has('8')]), [true, false])
await checks.equal('delete: there, then not', [await users.delete('7'), await users.delete('7')], [true, false])
const megabyte = 'x\r\n'.repeat(350_000)
await users.set('mb', megabyte)
await checks.equal('a 1 MB value', users.get('mb').then((value) => value === megabyte), true)
const bytes = Buffer.from([0, 13, 10, 255])
await users.set('bytes', bytes)
await checks.equal('a Buffer', users.get('bytes'), bytes)

await checks.expires('a TTL of 400 ms', () => users.set('brief', 'x', 400), () => users.get('brief'), 400)
await prices.set('tea', 350)
const redis = await prices.store.getClient()
const ttls = await Promise.all((await redis.keys('*tea')).map((key) => redis.pTTL(key)))
await checks.equal('the ttl of the store', ttls.length === 1 && ttls[0] > 58_000 && ttls[0] <= 60_000, true)

const entries = ['a', 'b', 'c'].map((key, i) => ({ key, value: i, ttl: 60_000 }))
await prices.setMany(entries)
await checks.equal('setMany, getMany', prices.getMany(['a', 'none', 'c']), [0, undefined, 2])
await checks.equal('hasMany', prices.hasMany(['a', 'none']), [true, false])
await checks.equal('deleteMany', prices.deleteMany(['a', 'b']), true)
const left = []
for await (const [key, value] of prices.iterator()) left.push([key, value])
await checks.equal('iterator', left.sort(), [['c', 2], ['tea', 350]])

await prices.clear()
await checks.equal('clear', prices.get('tea'), undefined)
await checks.equal('leaves the other namespace', users.has('mb'), true)
await users.clear()
await checks.equal('clear everything', redis.dbSize(), 0)
await Promise.all([users.disconnect(), prices.disconnect()])
checks.done()

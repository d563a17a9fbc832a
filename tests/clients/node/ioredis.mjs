// ioredis, versions 5 and 6: commands, pipelines, transactions, streams of keys, errors and a killed connection.
import { createRequire } from 'node:module'
import Redis from 'ioredis'
import { Checks, MEGABYTE } from './checks.mjs'

const { version } = createRequire(import.meta.url)('ioredis/package.json')
const checks = new Checks(`ioredis ${version}`)
const connect = (options) => new Redis(process.env.LARDER_SOCKET, { db: 7, ...options })

const redis = connect({ connectionName: 'victim' })
await checks.equal('FLUSHDB', redis.flushdb(), 'OK')
await checks.equal('a miss', redis.get('none'), null)
await checks.equal('SET', redis.set('k', 'ü', 'EX', 60), 'OK')
await checks.equal('a hit', redis.get('k'), 'ü')
await checks.equal('TTL', redis.ttl('k').then((ttl) => ttl >= 58 && ttl <= 60), true)
await checks.equal('SET NX on a key that is there', redis.set('k', 'x', 'NX'), null)
await checks.equal('SET GET', redis.set('k', 'y', 'GET'), 'ü')
await checks.equal('GETDEL', redis.getdel('k'), 'y')
await redis.set(Buffer.from([0, 255]), MEGABYTE)
await checks.equal('1 MB of bytes', redis.getBuffer(Buffer.from([0, 255])), MEGABYTE)
await checks.equal('MSET of an object', redis.mset({ a: '1', b: '2' }), 'OK')
await checks.equal('MGET', redis.mget('a', 'none', 'b'), ['1', null, '2'])
await checks.equal('counters', Promise.all([redis.incr('n'), redis.incrby('n', 9), redis.decr('n')]), [1, 10, 9])
await checks.equal('INCRBYFLOAT', redis.incrbyfloat('f', 1.5), '1.5')
await checks.expires('PX 400', () => redis.set('brief', 'x', 'PX', 400), () => redis.get('brief'), 400)

const replies = await redis.pipeline().set('p', 1).incr('p').get('none').incr('a').exec()
await checks.equal('a pipeline', replies, [[null, 'OK'], [null, 2], [null, null], [null, 2]])
const many = redis.pipeline()
for (let i = 0; i < 2000; i += 1) many.set(`scan:${i}`, i)
await checks.equal('2,000 commands in a pipeline', many.exec().then((all) => all.every(([, ok]) => ok === 'OK')), true)
await checks.equal('MULTI/EXEC', redis.multi().set('t', 5).incr('t').get('t').exec(), [[null, 'OK'], [null, 6], [null, '6']])
const [, failed, after] = await redis.multi().set('t', 'word').incr('t').get('t').exec()
await checks.equal('an error inside EXEC', failed[0].message, 'ERR value is not an integer or out of range')
await checks.equal('leaves the rest', after, [null, 'word'])
await checks.rejects('EXECABORT', redis.multi().call('GET').exec(), 'EXECABORT')

const other = connect()
await redis.watch('t')
await other.set('t', 'theirs')
await checks.equal("WATCH sees the other's write", redis.multi().set('t', 'mine').exec(), null)

const found = new Set()
for await (const keys of redis.scanStream({ match: 'scan:*', count: 100 })) keys.forEach((key) => found.add(key))
await checks.equal('scanStream', found.size, 2000)
await checks.equal('UNLINK', redis.unlink(...found), 2000)
await checks.rejects('not an integer', redis.incr('t'), 'value is not an integer')
await checks.rejects('wrong number of arguments', redis.call('GET'), 'wrong number of arguments')
await checks.rejects('an unknown command', redis.call('NOSUCHCOMMAND', 'x'), 'unknown command')

const id = await redis.client('ID')
const gone = new Promise((resolve) => redis.once('close', resolve))
await checks.equal('CLIENT KILL', other.client('KILL', 'ID', id), 1)
await gone
await checks.equal('a command while it reconnects', redis.get('t'), 'theirs')
await checks.equal('on a new connection', redis.client('ID').then((now) => now !== id), true)
await checks.equal('with its name again', redis.client('GETNAME'), 'victim')
await checks.equal('in its database again', redis.dbsize().then((size) => size > 0), true)

const auto = connect({ enableAutoPipelining: true, keyPrefix: 'auto:' })
await checks.equal('automatic pipelines', Promise.all([1, 2, 3].map((n) => auto.incrby('n', n))), [1, 3, 6])
await checks.equal('with a prefix', redis.get('auto:n'), '6')

// A reader of sentinel or of a lazy connection waits for INFO to say that nothing is loading.
const lazy = connect({ lazyConnect: true })
await lazy.connect()
await checks.equal('ready', lazy.status, 'ready')
await redis.flushdb()
await Promise.all([redis, other, auto, lazy].map((each) => each.quit()))
checks.done()

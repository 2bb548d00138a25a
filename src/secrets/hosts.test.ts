import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeSecretBox } from '../platform/secret-box.ts'
import { makeSecretService } from './service.ts'

test('hosts of a secret with a port: the usual port of the scheme is a port like any other, and names below a name have one, too', async () => {
  const { db } = await DATABASES[0]!.open()
  const box = makeSecretBox(randomBytes(32))
  const secrets = makeSecretService({ db, clock: makeFakeClock(), makeId: makeIdGenerator(), box })
  const place = { tenantId: 't', projectId: null, name: 'KEY' }
  await secrets.set(place, { value: 'geheim', hosts: ['api.example.org:443', '*.example.net:8443'] })
  const reveal = (url: string) => secrets.reveal({ tenantId: 't', projectId: null, reference: { $secret: 'KEY' }, url })
  for (const url of ['https://api.example.org/x', 'https://api.example.org:443/', 'https://a.example.net:8443/'])
    assert.equal(await reveal(url), 'geheim', url)
  for (const url of [
    'http://api.example.org/',
    'https://api.example.org:8443/',
    'https://a.example.net/',
    'https://example.net:8443/',
    'https://evil-example.net:8443/',
  ])
    await assert.rejects(reveal(url), { code: 'secret_host_refused' }, url)
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeKey, encodeQuery, signRequest } from './sign.ts'

/** The keys and the time of the examples in "Signature Calculations for the Authorization Header" of the S3 API reference. */
const keys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
}
const at = Date.parse('2013-05-24T00:00:00Z')
const host = 'https://examplebucket.s3.amazonaws.com'
const signature = (headers: Record<string, string>): string | undefined =>
  /Signature=(\w+)$/.exec(headers.authorization ?? '')?.[1]

describe('signRequest()', () => {
  test('signs the published examples of S3', () => {
    const get = { method: 'GET', url: new URL(`${host}/test.txt`), headers: { range: 'bytes=0-9' }, body: '' }
    assert.equal(
      signature(signRequest(get, keys, at)),
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    )
    const put = {
      method: 'PUT',
      url: new URL(`${host}/${encodeKey('test$file.text')}`),
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      body: 'Welcome to Amazon S3.',
    }
    assert.equal(
      signature(signRequest(put, keys, at)),
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    )
    const list = {
      method: 'GET',
      url: new URL(`${host}/?${encodeQuery({ prefix: 'J', 'max-keys': '2' })}`),
      headers: {},
      body: '',
    }
    assert.equal(
      signature(signRequest(list, keys, at)),
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    )
  })

  test('signs the plain GET of the test suite of the signature', () => {
    const suite = {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
      service: 'service',
    }
    const request = { method: 'GET', url: new URL('https://example.amazonaws.com/'), headers: {}, body: '' }
    assert.equal(
      signRequest(request, suite, Date.parse('2015-08-30T12:36:00Z')).authorization,
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, ' +
        'Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    )
  })
})

test('encodeKey() keeps slashes and encodes everything else that is not plain', () => {
  assert.equal(encodeKey("a b/ä'(*)!.txt"), 'a%20b/%C3%A4%27%28%2A%29%21.txt')
})

import { expect, test } from 'vitest'
import { parseNetwork } from '../../src/expression/network.js'

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '10.255.0.1:4711', true],
  ['10.0.0.0/8', '11.0.0.1:110', false],
  ['10.0.0.1', '10.0.0.1:110', true],
  ['10.0.0.1', '10.0.0.2:110', false],
  ['0.0.0.0/0', '192.0.2.1', true],
  ['2001:db8::/32', '2001:db8::1', true],
  ['2001:db8::/32', '[2001:db8::1]:995', true],
  ['2001:db8::/32', '[2001:db9::1]:995', false],
  ['::1', '[::1]', true],
  ['10.0.0.0/8', 'localhost:110', false],
  ['10.0.0.0/8', '', false],
])('of the network %s, %s is %s', (network, address, expected) => {
  expect(parseNetwork(network)?.has(address)).toBe(expected)
})

test.each(['10/8', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1', 'example.org', ''])(
  '%s is no network',
  (text) => {
    expect(parseNetwork(text)).toBeNull()
  },
)

import { resolve } from 'node:path';
import { parseAddress, type IpAddress } from '../wire/address.ts';
import { isMulticast, isUnspecified } from './address-kind.ts';
import type { InterceptConfig } from './config.ts';
import { UsageError } from './exit-codes.ts';
import type { OptionValues } from './option-values.ts';
import { parseInterfaces } from './parse-interfaces.ts';
import { readFilter, readProcessConfig } from './process-config.ts';

/**
 * The configuration that the options of intercept spell.
 * @throws UsageError
 */
export function readInterceptConfig(values: OptionValues): InterceptConfig {
  const filter = readFilter(values);
  if (filter === '') {
    throw new UsageError(
      'Cannot use -F "": it is empty',
      "Leave it out to listen for the targets of the tcpcopy that are connected, or name the responses: -F 'tcp and src port 80'.",
    );
  }
  const bindAddress = parseBindAddress(values.text('bind'));
  const keyFile = values.text('key-file');
  const tls = readTls(values);
  return {
    ...readProcessConfig('intercept', values, []),
    ...(filter !== undefined && { filter }),
    interfaces: values.has('interface') ? parseInterfaces(values.text('interface') ?? '') : [],
    port: values.integer('port'),
    ...(bindAddress && { bindAddress }),
    ...(keyFile !== undefined && { keyFile: resolve(keyFile) }),
    allowOriginal: keyFile === undefined || values.has('allow-original'),
    ...(tls && { tls }),
    payloadMessages: values.has('with-resp-payload'),
  };
}

function readTls(values: OptionValues): InterceptConfig['tls'] {
  const certificate = values.text('tls-cert');
  const key = values.text('tls-key');
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    const [given, missing] = key === undefined ? ['cert', 'key'] : ['key', 'cert'];
    throw new UsageError(
      `Cannot use --tls-${given} alone: a certificate and its key belong together`,
      `Give --tls-${missing} too.`,
    );
  }
  return { certificate: resolve(certificate), key: resolve(key) };
}

/** 0.0.0.0 and :: mean any address, as leaving -b out does. */
function parseBindAddress(text: string | undefined): IpAddress | undefined {
  if (text === undefined) return undefined;
  const address = parseAddress(text.trim().replace(/^\[(.*)\]$/, '$1'));
  if (address === undefined || isMulticast(address)) {
    throw new UsageError(
      `Cannot use -b "${text}": it is not an address of a host: expected an address of this host`,
      '"ip -brief address" lists them.',
    );
  }
  return isUnspecified(address) ? undefined : address;
}

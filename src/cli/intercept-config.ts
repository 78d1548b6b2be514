import { resolve } from 'node:path';
import { parseAddress, type IpAddress } from '../wire/address.ts';
import { isMulticast, isUnspecified } from './address-kind.ts';
import type { InterceptConfig } from './config.ts';
import { UsageError } from './exit-codes.ts';
import type { OptionValues } from './option-values.ts';
import { parseInterfaces } from './parse-interfaces.ts';
import { readFilter, readProcessConfig } from './process-config.ts';
import { readQueue } from './queue-config.ts';
import { readResponseForm } from './response-form.ts';

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
  const redirect = parseRedirect(values.text('docker'));
  const single = values.has('single');
  if (values.has('protect') && !single) {
    throw new UsageError(
      'Cannot use -c without --single: it protects the one tcpcopy that --single serves',
      'Leave it out: without --single any number of tcpcopy may connect, and none takes the place of another.',
    );
  }
  const queue = readQueue(values);
  return {
    ...readProcessConfig('intercept', values, []),
    ...(queue && { queue }),
    ...(filter !== undefined && { filter }),
    interfaces: values.has('interface') ? parseInterfaces(values.text('interface') ?? '') : [],
    port: values.integer('port'),
    limits: {
      maxConnections: values.integer('max-connections'),
      maxConnectionsPerPeer: values.integer('max-connections-per-peer'),
      maxRoutes: values.integer('max-routes'),
      maxRoutesPerPeer: values.integer('max-routes-per-peer'),
    },
    dnat: values.has('dnat'),
    ...(bindAddress && { bindAddress }),
    ...(keyFile !== undefined && { keyFile: resolve(keyFile) }),
    allowOriginal: keyFile === undefined || values.has('allow-original'),
    ...(tls && { tls }),
    responseForm: readResponseForm(values),
    ...(redirect && { redirect }),
    ...(single && { single: { protect: values.has('protect') } }),
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

/** The two addresses of -D. */
function parseRedirect(text: string | undefined): InterceptConfig['redirect'] {
  if (text === undefined) return undefined;
  const parts = text.split('-').map((part) => part.trim());
  const [from, to] = parts.map((part) => parseAddress(part));
  if (parts.length !== 2 || from?.family !== 4 || to?.family !== 4) {
    throw new UsageError(
      `Cannot use -D "${text}": expected two IPv4 addresses with "-" between them, as in 172.17.0.1-10.0.0.5`,
      'The first is where responses are sent to, the second what they are taken to be sent to.',
    );
  }
  return { from, to };
}

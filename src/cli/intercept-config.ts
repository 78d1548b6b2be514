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
  if (filter === undefined || filter === '') {
    throw new UsageError(
      'Cannot start without -F: it says which packets are responses of the target',
      'For a target on port 80: intercept -i eth1 -F \'tcp and src port 80\'. "intercept -h" lists the options.',
    );
  }
  const bindAddress = parseBindAddress(values.text('bind'));
  return {
    ...readProcessConfig('intercept', values, []),
    filter,
    interfaces: values.has('interface') ? parseInterfaces(values.text('interface') ?? '') : [],
    port: values.integer('port'),
    ...(bindAddress && { bindAddress }),
  };
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

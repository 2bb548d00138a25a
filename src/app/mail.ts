/** What the configuration says of mail: the operator's server, and where those of tenants may be. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config.ts'
import type { NotificationServiceOptions } from '../notifications/index.ts'
import { AppError, messageOf } from '../platform/errors.ts'

const readCa = (file: string): string | undefined => {
  if (file === '') return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new AppError(
      'config_invalid',
      `SMTP_CA_FILE is ${JSON.stringify(file)}, which cannot be read: ${messageOf(error)}`,
    )
  }
}

/** Throws `config_invalid` when the file of the authority cannot be read. */
export const mailOptions = (
  config: Config,
): Pick<NotificationServiceOptions, 'allow' | 'mailServer' | 'mailAuthority'> => ({
  allow: config.OUTBOUND_ALLOW,
  mailAuthority: readCa(config.SMTP_CA_FILE),
  mailServer:
    config.SMTP_HOST === ''
      ? undefined
      : {
          host: config.SMTP_HOST,
          port: config.SMTP_PORT,
          security: config.SMTP_SECURITY,
          user: config.SMTP_USER || null,
          password: config.SMTP_PASSWORD || null,
          from: config.SMTP_FROM,
          isOperators: true,
        },
})

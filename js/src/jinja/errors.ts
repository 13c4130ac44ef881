// Errors of templates.
import { invalidInput, PilotLightError } from '../shared/errors.js';

/** The error of a template that is not one. */
export function doesNotCompile(line: number, message: string): PilotLightError {
  return new PilotLightError('invalid-artefact', `The chat template does not compile: line ${line}: ${message}.`);
}

/** The error of a template that does not end. */
export function doesNotEnd(): PilotLightError {
  return new PilotLightError('invalid-artefact', 'The chat template does not end.');
}

/** The error of a template that cannot be rendered with what it was given. */
export function cannotRender(message: string): PilotLightError {
  return invalidInput(`The chat template cannot render the messages: ${message}.`);
}

/** The error of a template that refuses what it was given, in its own words. */
export function refused(message: string): PilotLightError {
  return invalidInput(`The chat template refuses the messages: ${message}`);
}

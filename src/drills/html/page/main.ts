// The script of a drill's page: all that it shows is there without it.
import { theme } from '../../../page/browser/theme.js';

theme();

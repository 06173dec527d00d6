import eslint from '@eslint/js';
import jupyter from '@jupyter/eslint-plugin';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: ['node_modules', 'lib', 'mlk_jupyter', '.venv', 'dist', 'docs', 'src/api/types.ts']
  },
  eslint.configs.recommended,
  {
    files: ['{src,ui-tests}/**/*.{ts,tsx}', '*.ts'],
    extends: [tseslint.configs.recommended],
    rules: {
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'interface', format: ['PascalCase'], custom: { regex: '^I[A-Z]', match: true } }
      ],
      '@typescript-eslint/no-namespace': 'off',
      // a token and its interface share one name, as everywhere in JupyterLab
      '@typescript-eslint/no-redeclare': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }
      ],
      curly: ['error', 'all'],
      eqeqeq: 'error',
      // Names, logs and outputs of jobs are text of strangers: they go into text nodes, or through core's sanitizer.
      'no-restricted-syntax': [
        'error',
        ...[
          'MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML|srcdoc)$/]',
          'JSXAttribute[name.name=/^(dangerouslySetInnerHTML|srcDoc)$/]',
          "CallExpression[callee.object.name='document'][callee.property.name='write']"
        ].map(selector => ({ selector, message: 'Show text as text: jobs are not trusted.' }))
      ]
    }
  },
  {
    plugins: { jupyter }
  },
  ...jupyter.configs.recommended,
  {
    files: ['src/plugins/**'],
    rules: {
      'jupyter/prefer-lazy-imports': [
        'warn',
        // The panel, the status bar, the toolbar button and what draws outputs are there from the start; what is
        // opened later (the dialog, a job's tab) is imported later.
        {
          ignoreImports: [
            '../api',
            '../backends/*',
            '../components',
            '../display/renderer',
            '../gpus/*',
            '../jobs/*',
            '../kernels/*',
            '../panel/*',
            '../settings',
            '../submit/button',
            '../submit/document'
          ]
        }
      ]
    }
  },
  {
    // itself imported only when the dialog opens
    files: ['src/submit/view.tsx'],
    rules: { 'jupyter/prefer-lazy-imports': 'off' }
  },
  {
    // tests name nothing that a person reads, and their plugins are loaded by no page
    files: ['src/**/__tests__/**'],
    rules: {
      'jupyter/no-untranslated-string': 'off',
      'jupyter/plugin-description': 'off',
      'jupyter/plugin-id-convention': 'off',
      'jupyter/prefer-lazy-imports': 'off'
    }
  }
);

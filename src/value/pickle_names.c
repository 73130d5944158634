/* The names that changed from Python 2 to Python 3: of modules, and of what is in them. Up to protocol 2 pickles have
 * the old ones. The facts are those of Lib/_compat_pickle.py, which every Python 3 applies. */
#include "value/pickle.h"

/* Some are translated one way only: where several old names have become one, and where a new name has none of its own
 * in Python 2 but something that serves. */
enum way { BOTH = 0, ONLY_TO_3, ONLY_TO_2 };

struct renamed_module {
    const char *two, *three;
    enum way way;
};

struct renamed {
    const char *module_2, *name_2, *module_3, *name_3;
    enum way way;
};

/** Names that are the same in both, in modules that are not. */
struct moved {
    const char *module_2, *module_3;
    const char *const *names;
};

static const struct renamed_module modules[] = {
    { "__builtin__", "builtins", BOTH },
    { "copy_reg", "copyreg", BOTH },
    { "Queue", "queue", BOTH },
    { "SocketServer", "socketserver", BOTH },
    { "ConfigParser", "configparser", BOTH },
    { "repr", "reprlib", BOTH },
    { "tkFileDialog", "tkinter.filedialog", BOTH },
    { "tkSimpleDialog", "tkinter.simpledialog", BOTH },
    { "tkColorChooser", "tkinter.colorchooser", BOTH },
    { "tkCommonDialog", "tkinter.commondialog", BOTH },
    { "Dialog", "tkinter.dialog", BOTH },
    { "Tkdnd", "tkinter.dnd", BOTH },
    { "tkFont", "tkinter.font", BOTH },
    { "tkMessageBox", "tkinter.messagebox", BOTH },
    { "ScrolledText", "tkinter.scrolledtext", BOTH },
    { "Tkconstants", "tkinter.constants", BOTH },
    { "ttk", "tkinter.ttk", BOTH },
    { "Tix", "tkinter.tix", BOTH },
    { "Tkinter", "tkinter", BOTH },
    { "markupbase", "_markupbase", BOTH },
    { "_winreg", "winreg", BOTH },
    { "thread", "_thread", BOTH },
    { "dummy_thread", "_dummy_thread", BOTH },
    { "dbhash", "dbm.bsd", BOTH },
    { "dumbdbm", "dbm.dumb", BOTH },
    { "dbm", "dbm.ndbm", BOTH },
    { "gdbm", "dbm.gnu", BOTH },
    { "xmlrpclib", "xmlrpc.client", BOTH },
    { "SimpleXMLRPCServer", "xmlrpc.server", BOTH },
    { "httplib", "http.client", BOTH },
    { "htmlentitydefs", "html.entities", BOTH },
    { "HTMLParser", "html.parser", BOTH },
    { "Cookie", "http.cookies", BOTH },
    { "cookielib", "http.cookiejar", BOTH },
    { "BaseHTTPServer", "http.server", BOTH },
    { "test.test_support", "test.support", BOTH },
    { "commands", "subprocess", BOTH },
    { "urlparse", "urllib.parse", BOTH },
    { "robotparser", "urllib.robotparser", BOTH },
    { "urllib2", "urllib.request", BOTH },
    { "anydbm", "dbm", BOTH },
    { "_abcoll", "collections.abc", BOTH },
    { "cPickle", "pickle", ONLY_TO_3 },
    { "_elementtree", "xml.etree.ElementTree", ONLY_TO_3 },
    { "FileDialog", "tkinter.filedialog", ONLY_TO_3 },
    { "SimpleDialog", "tkinter.simpledialog", ONLY_TO_3 },
    { "DocXMLRPCServer", "xmlrpc.server", ONLY_TO_3 },
    { "SimpleHTTPServer", "http.server", ONLY_TO_3 },
    { "CGIHTTPServer", "http.server", ONLY_TO_3 },
    { "UserDict", "collections", ONLY_TO_3 },
    { "UserList", "collections", ONLY_TO_3 },
    { "UserString", "collections", ONLY_TO_3 },
    { "whichdb", "dbm", ONLY_TO_3 },
    { "StringIO", "io", ONLY_TO_3 },
    { "cStringIO", "io", ONLY_TO_3 },
    { "bz2", "_bz2", ONLY_TO_2 },
    { "dbm", "_dbm", ONLY_TO_2 },
    { "functools", "_functools", ONLY_TO_2 },
    { "gdbm", "_gdbm", ONLY_TO_2 },
    { "pickle", "_pickle", ONLY_TO_2 },
};

static const struct renamed names[] = {
    { "__builtin__", "xrange", "builtins", "range", BOTH },
    { "__builtin__", "reduce", "functools", "reduce", BOTH },
    { "__builtin__", "intern", "sys", "intern", BOTH },
    { "__builtin__", "unichr", "builtins", "chr", BOTH },
    { "__builtin__", "unicode", "builtins", "str", BOTH },
    { "__builtin__", "long", "builtins", "int", BOTH },
    { "itertools", "izip", "builtins", "zip", BOTH },
    { "itertools", "imap", "builtins", "map", BOTH },
    { "itertools", "ifilter", "builtins", "filter", BOTH },
    { "itertools", "ifilterfalse", "itertools", "filterfalse", BOTH },
    { "itertools", "izip_longest", "itertools", "zip_longest", BOTH },
    { "UserDict", "IterableUserDict", "collections", "UserDict", BOTH },
    { "UserList", "UserList", "collections", "UserList", BOTH },
    { "UserString", "UserString", "collections", "UserString", BOTH },
    { "whichdb", "whichdb", "dbm", "whichdb", BOTH },
    { "_socket", "fromfd", "socket", "fromfd", BOTH },
    { "_multiprocessing", "Connection", "multiprocessing.connection", "Connection", BOTH },
    { "multiprocessing.process", "Process", "multiprocessing.context", "Process", BOTH },
    { "multiprocessing.forking", "Popen", "multiprocessing.popen_fork", "Popen", BOTH },
    { "urllib", "ContentTooShortError", "urllib.error", "ContentTooShortError", BOTH },
    { "urllib", "getproxies", "urllib.request", "getproxies", BOTH },
    { "urllib", "pathname2url", "urllib.request", "pathname2url", BOTH },
    { "urllib", "quote_plus", "urllib.parse", "quote_plus", BOTH },
    { "urllib", "quote", "urllib.parse", "quote", BOTH },
    { "urllib", "unquote_plus", "urllib.parse", "unquote_plus", BOTH },
    { "urllib", "unquote", "urllib.parse", "unquote", BOTH },
    { "urllib", "url2pathname", "urllib.request", "url2pathname", BOTH },
    { "urllib", "urlcleanup", "urllib.request", "urlcleanup", BOTH },
    { "urllib", "urlencode", "urllib.parse", "urlencode", BOTH },
    { "urllib", "urlopen", "urllib.request", "urlopen", BOTH },
    { "urllib", "urlretrieve", "urllib.request", "urlretrieve", BOTH },
    { "urllib2", "HTTPError", "urllib.error", "HTTPError", BOTH },
    { "urllib2", "URLError", "urllib.error", "URLError", BOTH },
    { "__builtin__", "basestring", "builtins", "str", ONLY_TO_3 },
    { "exceptions", "StandardError", "builtins", "Exception", ONLY_TO_3 },
    { "UserDict", "UserDict", "collections", "UserDict", ONLY_TO_3 },
    { "socket", "_socketobject", "socket", "SocketType", ONLY_TO_3 },
    { "__builtin__", "reduce", "_functools", "reduce", ONLY_TO_2 },
    { "FileDialog", "FileDialog", "tkinter.filedialog", "FileDialog", ONLY_TO_2 },
    { "FileDialog", "LoadFileDialog", "tkinter.filedialog", "LoadFileDialog", ONLY_TO_2 },
    { "FileDialog", "SaveFileDialog", "tkinter.filedialog", "SaveFileDialog", ONLY_TO_2 },
    { "SimpleDialog", "SimpleDialog", "tkinter.simpledialog", "SimpleDialog", ONLY_TO_2 },
    { "DocXMLRPCServer", "ServerHTMLDoc", "xmlrpc.server", "ServerHTMLDoc", ONLY_TO_2 },
    { "DocXMLRPCServer", "XMLRPCDocGenerator", "xmlrpc.server", "XMLRPCDocGenerator", ONLY_TO_2 },
    { "DocXMLRPCServer", "DocXMLRPCRequestHandler", "xmlrpc.server", "DocXMLRPCRequestHandler", ONLY_TO_2 },
    { "DocXMLRPCServer", "DocXMLRPCServer", "xmlrpc.server", "DocXMLRPCServer", ONLY_TO_2 },
    { "DocXMLRPCServer", "DocCGIXMLRPCRequestHandler", "xmlrpc.server", "DocCGIXMLRPCRequestHandler", ONLY_TO_2 },
    { "SimpleHTTPServer", "SimpleHTTPRequestHandler", "http.server", "SimpleHTTPRequestHandler", ONLY_TO_2 },
    { "CGIHTTPServer", "CGIHTTPRequestHandler", "http.server", "CGIHTTPRequestHandler", ONLY_TO_2 },
    { "socket", "_socketobject", "_socket", "socket", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "BrokenPipeError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "ChildProcessError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "ConnectionAbortedError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "ConnectionError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "ConnectionRefusedError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "ConnectionResetError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "FileExistsError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "FileNotFoundError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "InterruptedError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "IsADirectoryError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "NotADirectoryError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "PermissionError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "ProcessLookupError", ONLY_TO_2 },
    { "exceptions", "OSError", "builtins", "TimeoutError", ONLY_TO_2 },
    { "exceptions", "ImportError", "builtins", "ModuleNotFoundError", ONLY_TO_2 },
};

static const char *const exceptions[] = {
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BufferError",
    "BytesWarning",
    "DeprecationWarning",
    "EOFError",
    "EnvironmentError",
    "Exception",
    "FloatingPointError",
    "FutureWarning",
    "GeneratorExit",
    "IOError",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "ReferenceError",
    "RuntimeError",
    "RuntimeWarning",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "SystemExit",
    "TabError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "UnicodeTranslateError",
    "UnicodeWarning",
    "UserWarning",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
    NULL,
};

static const char *const multiprocessing_exceptions[] = {
    "AuthenticationError", "BufferTooShort", "ProcessError", "TimeoutError", NULL,
};

static const struct moved moves[] = {
    { "exceptions", "builtins", exceptions },
    { "multiprocessing", "multiprocessing.context", multiprocessing_exceptions },
};

#define EACH(entry, table)                              \
    entry = (table);                                    \
    entry != (table) + sizeof(table) / sizeof *(table); \
    entry++

static bool is(const char *one, const char *other)
{
    return *one == *other && strcmp(one, other) == 0;
}

static bool is_among(const char *name, const char *const *list)
{
    while (*list && !is(name, *list))
        list++;
    return *list;
}

void pickle_names_to_3(const char **module, const char **name)
{
    for (const struct renamed *EACH(at, names)) {
        if (at->way != ONLY_TO_2 && is(*module, at->module_2) && is(*name, at->name_2)) {
            *module = at->module_3;
            *name = at->name_3;
            return;
        }
    }
    for (const struct moved *EACH(at, moves)) {
        if (is(*module, at->module_2) && is_among(*name, at->names)) {
            *module = at->module_3;
            return;
        }
    }
    for (const struct renamed_module *EACH(at, modules)) {
        if (at->way != ONLY_TO_2 && is(*module, at->two)) {
            *module = at->three;
            return;
        }
    }
}

void pickle_names_to_2(const char **module, const char **name)
{
    for (const struct renamed *EACH(at, names)) {
        if (at->way != ONLY_TO_3 && is(*module, at->module_3) && is(*name, at->name_3)) {
            *module = at->module_2;
            *name = at->name_2;
            return;
        }
    }
    for (const struct moved *EACH(at, moves)) {
        if (is(*module, at->module_3) && is_among(*name, at->names)) {
            *module = at->module_2;
            return;
        }
    }
    for (const struct renamed_module *EACH(at, modules)) {
        if (at->way != ONLY_TO_3 && is(*module, at->three)) {
            *module = at->two;
            return;
        }
    }
}

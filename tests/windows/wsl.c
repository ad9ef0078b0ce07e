/*
 * A stand-in for wsl.exe under Wine: its distros are served by this machine's own shell.
 *
 * Wine can start a Unix program but not give it a Windows pipe, so the program gets sockets:
 *
 *     our stdin  -> [ control socket ] -> the program's stdin (and stderr, the way back)
 *     our stdout <- [ output socket  ] <- the program's stdout
 *     our stderr <- [ control socket ] <- the program's stderr
 *
 * Nor does Wine tell a Unix program's exit status. So it runs below a small shell, which reports
 * the status by a connection to a third socket.
 *
 * As with the real one, the end of our stdin, or of this process, is the end of the program's
 * stdin; and a shell that was killed (wsl --shutdown) ends this process with a failure.
 *
 * WSL_STANDIN names what to start, a Unix path; it gets our arguments as they are: linux_side.sh.
 * WSL_STANDIN_LOG names a file that gets a line for each start: whether we have a console, and
 * whether it has a window that a volunteer would see popping up.
 * WSL_STANDIN_NOTES names a file that gets a line each time Wine has failed at something and was
 * asked for it once more.
 */
#define _WIN32_WINNT 0x0A00
#include <winsock2.h>
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define PIECE 65536
#define LONGEST_COMMAND 32767
#define LAST_WORDS_MS 5000
#define TRIES 5
#define STARTS L"WSL_STANDIN_STARTS"
#define WITHOUT_STREAMS 251
#define CANNOT_START 252
#define DIED_WITHOUT_STATUS 255

static SOCKET control, output, reports;
static volatile int exit_status = DIED_WITHOUT_STATUS;

static void give_up(const char *what)
{
    fprintf(stderr, "wsl stand-in: %s: error %lu\n", what, GetLastError());
    ExitProcess(CANNOT_START);
}

/* A socket on this computer that waits for connections, and the port it got. */
static SOCKET listener(unsigned short *port)
{
    struct sockaddr_in address = {0};
    int size = sizeof address;
    SOCKET made = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0,
                             WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (made == INVALID_SOCKET || bind(made, (struct sockaddr *)&address, size)
        || listen(made, 4) || getsockname(made, (struct sockaddr *)&address, &size))
        give_up("cannot listen");
    *port = ntohs(address.sin_port);
    return made;
}

/* Two ends of one connection: ours stays here, theirs is inherited by what we start. */
static void connected_pair(SOCKET *ours, SOCKET *theirs)
{
    struct sockaddr_in address = {0}, peer;
    int size = sizeof address;
    BOOL on = TRUE;
    unsigned short port;
    SOCKET door = listener(&port);

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    *theirs = socket(AF_INET, SOCK_STREAM, 0);
    if (*theirs == INVALID_SOCKET || connect(*theirs, (struct sockaddr *)&address, size)
        || getsockname(*theirs, (struct sockaddr *)&address, &size))
        give_up("cannot connect");
    for (;;) {
        size = sizeof peer;
        *ours = accept(door, (struct sockaddr *)&peer, &size);
        if (*ours == INVALID_SOCKET)
            give_up("cannot accept");
        if (peer.sin_port == address.sin_port)
            break;
        closesocket(*ours); /* somebody else on this computer */
    }
    closesocket(door);
    SetHandleInformation((HANDLE)*ours, HANDLE_FLAG_INHERIT, 0);
    /* A shell's answers are short: without this each of them takes 40 ms. */
    setsockopt(*ours, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on);
    setsockopt(*theirs, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on);
}

static DWORD WINAPI carry_input(void *unused)
{
    static char piece[PIECE];
    HANDLE from = GetStdHandle(STD_INPUT_HANDLE);
    DWORD got;
    int sent, done;

    (void)unused;
    while (ReadFile(from, piece, sizeof piece, &got, NULL) && got > 0)
        for (sent = 0; sent < (int)got; sent += done)
            if ((done = send(control, piece + sent, (int)got - sent, 0)) <= 0)
                return 0;
    shutdown(control, SD_SEND); /* the shell sees the end of its input */
    return 0;
}

struct stream {
    SOCKET from;
    HANDLE to;
    volatile LONG busy; /* something was taken out and is not handed on yet */
    char piece[PIECE];
};

static struct stream streams[2];

/* To the end of the connection; what nobody wants to read any more is thrown away. */
static DWORD WINAPI carry_output(void *given)
{
    struct stream *stream = given;
    DWORD written;
    int got, done;
    BOOL wanted = TRUE;

    /* Only looked at first: what was taken out but not told as busy could be taken for nothing. */
    while (recv(stream->from, stream->piece, 1, MSG_PEEK) > 0) {
        InterlockedExchange(&stream->busy, 1);
        got = recv(stream->from, stream->piece, PIECE, 0);
        for (done = 0; wanted && done < got; done += (int)written)
            wanted = WriteFile(stream->to, stream->piece + done, got - done, &written, NULL);
        InterlockedExchange(&stream->busy, 0);
    }
    return 0;
}

static BOOL is_quiet(struct stream *stream)
{
    u_long waiting = 0;

    return ioctlsocket(stream->from, FIONREAD, &waiting) == 0 && waiting == 0
        && InterlockedCompareExchange(&stream->busy, 0, 0) == 0;
}

/*
 * All that was said is to be handed on, however long that takes. But what the program left running
 * may hold its outputs open, and nobody waits for that: two quiet seconds are the end then.
 */
static void drain(HANDLE *threads)
{
    int quiet = 0;

    while (quiet < 40 && WaitForMultipleObjects(2, threads, TRUE, 50) == WAIT_TIMEOUT)
        quiet = is_quiet(&streams[0]) && is_quiet(&streams[1]) ? quiet + 1 : 0;
}

static DWORD WINAPI await_status(void *unused)
{
    char text[16] = {0};
    int size = 0, got;
    SOCKET report = accept(reports, NULL, NULL);

    (void)unused;
    while (size < (int)sizeof text - 1 && (got = recv(report, text + size, sizeof text - 1 - size, 0)) > 0)
        size += got;
    if (size > 0)
        exit_status = atoi(text);
    return 0;
}

/* Add a line to the file that a variable names. */
static void append(const wchar_t *variable, const char *line)
{
    static wchar_t path[1024];
    DWORD written;
    HANDLE file;

    if (!GetEnvironmentVariableW(variable, path, 1024))
        return;
    file = CreateFileW(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    WriteFile(file, line, (DWORD)strlen(line), &written, NULL);
    CloseHandle(file);
}

static void log_start(void)
{
    char line[64];

    snprintf(line, sizeof line, "console %s, window %s\n", GetConsoleCP() ? "yes" : "no",
             GetConsoleWindow() ? "yes" : "no");
    append(L"WSL_STANDIN_LOG", line);
}

/*
 * A Unix program gets our sockets from Wine only where we have a console. Without one it gets
 * /dev/null, sees the end of its input at once, and ends well without a word. A console is a
 * process of Wine's own, which it fails to start once in some thousand times: then we start
 * ourselves with another console, and are only there to be waited for, or killed.
 */
static void start_anew(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    STARTUPINFOW how = {.cb = sizeof how, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION made;
    DWORD status = CANNOT_START;
    HANDLE job = CreateJobObjectW(NULL, NULL);
    int tries = 0;

    how.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    how.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    how.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    do {
        if (++tries > TRIES)
            give_up("cannot start anew");
        append(L"WSL_STANDIN_NOTES", "the console of a wsl stand-in\n");
    } while (!CreateProcessW(NULL, GetCommandLineW(), NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL,
                             NULL, &how, &made));
    /* When we are killed, so is the other. */
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    AssignProcessToJobObject(job, made.hProcess);
    WaitForSingleObject(made.hProcess, INFINITE);
    GetExitCodeProcess(made.hProcess, &status);
    ExitProcess(status);
}

/* How often we were started for this one order, 1 at first. */
static int starts(void)
{
    wchar_t text[8] = L"0";
    int number;

    GetEnvironmentVariableW(STARTS, text, 8);
    number = _wtoi(text) + 1;
    _snwprintf(text, 8, L"%d", number);
    SetEnvironmentVariableW(STARTS, text);
    return number;
}

/* What follows the program's own name in a command line. */
static const wchar_t *arguments_of(const wchar_t *line)
{
    if (*line == L'"') {
        line = wcschr(line + 1, L'"');
        return line ? line + 1 : L"";
    }
    line += wcscspn(line, L" \t");
    return line;
}

static void start_linux_side(unsigned short port, SOCKET stdin_and_stderr, SOCKET stdout_only)
{
    static wchar_t command[LONGEST_COMMAND + 1], program[1024];
    STARTUPINFOW how = {.cb = sizeof how, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION made;

    if (!GetEnvironmentVariableW(L"WSL_STANDIN", program, 1024))
        give_up("WSL_STANDIN does not say what to start");
    if (_snwprintf(command, LONGEST_COMMAND,
                   L"bash -c \"\\\"$@\\\" 2>&0; (echo $? >/dev/tcp/127.0.0.1/%u) 2>/dev/null\""
                   L" wsl \"%ls\" %ls",
                   port, program, arguments_of(GetCommandLineW())) < 0)
        give_up("the command line is too long");
    how.hStdInput = how.hStdError = (HANDLE)stdin_and_stderr;
    how.hStdOutput = (HANDLE)stdout_only;
    if (!CreateProcessW(L"Z:\\bin\\bash", command, NULL, NULL, TRUE, 0, NULL, NULL, &how, &made))
        give_up("cannot start bash");
}

int wmain(void)
{
    WSADATA unused;
    SOCKET their_control, their_output;
    unsigned short port;
    HANDLE ends[2], outputs[2];
    int start = starts();

    if (start == 1)
        log_start();
    if (GetConsoleCP() == 0 && start > TRIES)
        give_up("Wine gives no console");
    if (GetConsoleCP() == 0)
        start_anew();
    if (WSAStartup(MAKEWORD(2, 2), &unused))
        give_up("no sockets");
    reports = listener(&port);
    connected_pair(&control, &their_control);
    connected_pair(&output, &their_output);
    start_linux_side(port, their_control, their_output);
    closesocket(their_control);
    closesocket(their_output);

    CreateThread(NULL, 0, carry_input, NULL, 0, NULL);
    streams[0].from = output;
    streams[0].to = GetStdHandle(STD_OUTPUT_HANDLE);
    streams[1].from = control;
    streams[1].to = GetStdHandle(STD_ERROR_HANDLE);
    outputs[0] = CreateThread(NULL, 0, carry_output, &streams[0], 0, NULL);
    outputs[1] = CreateThread(NULL, 0, carry_output, &streams[1], 0, NULL);
    ends[0] = CreateThread(NULL, 0, await_status, NULL, 0, NULL);
    ends[1] = outputs[1];
    /* The end of the control connection: nobody is left over there who could report. */
    if (WaitForMultipleObjects(2, ends, FALSE, INFINITE) != WAIT_OBJECT_0)
        WaitForSingleObject(ends[0], LAST_WORDS_MS);
    drain(outputs);
    if (exit_status == WITHOUT_STREAMS)
        give_up("Wine started bash without our sockets");
    ExitProcess(exit_status);
}
